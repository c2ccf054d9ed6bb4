// Large pages for memory that is streamed: weights, keys and values.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace vernier::detail {

/// Asks for 2 MiB pages behind this memory, before it is touched: decode then reads it about a tenth faster. A wish, so refusal is ignored.
inline void prefer_huge_pages(std::uint8_t* memory, std::size_t bytes) {
#ifdef __linux__
  constexpr std::uintptr_t huge = std::uintptr_t{1} << 21;
  const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(memory), skip = (huge - address % huge) % huge;
  if (bytes >= skip + huge) (void)madvise(memory + skip, (bytes - skip) / huge * huge, MADV_HUGEPAGE);
#else
  (void)memory, (void)bytes;
#endif
}

}  // namespace vernier::detail
