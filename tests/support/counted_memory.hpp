// Counts what operator new hands out, so that a test can bound the memory of a call. Include in one source file of a program only: it
// replaces the global operators.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace vernier::test {

struct CountedMemory {
  static std::atomic<std::size_t>& live() {
    static std::atomic<std::size_t> bytes{0};
    return bytes;
  }
  static std::atomic<std::size_t>& peak() {
    static std::atomic<std::size_t> bytes{0};
    return bytes;
  }
  /// How often memory was asked for, by all threads.
  static std::atomic<std::size_t>& calls() {
    static std::atomic<std::size_t> count{0};
    return count;
  }

  /// Starts a measurement; peak_since() is the most that was live above this point.
  static std::size_t start() {
    peak() = live().load();
    return live();
  }
  static std::size_t peak_since(std::size_t start) { return peak() - start; }

  /// The size is kept in front of the memory, in a piece as long as the alignment. Not inlined: g++ would see free() in the release of what
  /// it takes to be from operator new, and warn.
  [[gnu::noinline]] static void* take(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) {
    const std::size_t whole = (bytes + alignment - 1) / alignment * alignment + alignment;
    void* const start = std::aligned_alloc(alignment, whole);
    if (start == nullptr) throw std::bad_alloc();
    char* const block = static_cast<char*>(start) + alignment;
    reinterpret_cast<std::size_t*>(block)[-1] = bytes;
    ++calls();
    const std::size_t now = live() += bytes;
    for (std::size_t old = peak(); old < now && !peak().compare_exchange_weak(old, now);) {
    }
    return block;
  }
  [[gnu::noinline]] static void give(void* memory, std::size_t alignment = alignof(std::max_align_t)) {
    if (memory == nullptr) return;
    live() -= static_cast<std::size_t*>(memory)[-1];
    std::free(static_cast<char*>(memory) - alignment);
  }
};

}  // namespace vernier::test

void* operator new(std::size_t bytes) { return vernier::test::CountedMemory::take(bytes); }
void* operator new[](std::size_t bytes) { return vernier::test::CountedMemory::take(bytes); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return vernier::test::CountedMemory::take(bytes, static_cast<std::size_t>(alignment));
}
// Libraries would forward these to those above; the address sanitizer has its own.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return vernier::test::CountedMemory::take(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](std::size_t bytes, const std::nothrow_t& tag) noexcept { return operator new(bytes, tag); }
void operator delete(void* memory) noexcept { vernier::test::CountedMemory::give(memory); }
void operator delete[](void* memory) noexcept { vernier::test::CountedMemory::give(memory); }
void operator delete(void* memory, std::size_t) noexcept { vernier::test::CountedMemory::give(memory); }
void operator delete[](void* memory, std::size_t) noexcept { vernier::test::CountedMemory::give(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { vernier::test::CountedMemory::give(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { vernier::test::CountedMemory::give(memory); }
void operator delete(void* memory, std::align_val_t alignment) noexcept {
  vernier::test::CountedMemory::give(memory, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
  vernier::test::CountedMemory::give(memory, static_cast<std::size_t>(alignment));
}
