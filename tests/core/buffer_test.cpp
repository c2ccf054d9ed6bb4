// Buffers: where they start, and what zeroed() promises.
#include "vernier/core/buffer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace vernier {
namespace {

bool starts_on(const void* p, std::size_t alignment) { return reinterpret_cast<std::uintptr_t>(p) % alignment == 0; }

TEST(Buffer, StartsOnACacheLineAndLargeOnesOnAHugePage) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{1000}, huge_page - 1}) {
    EXPECT_TRUE(starts_on(Buffer<std::uint8_t>(size).data(), buffer_alignment)) << size;
    EXPECT_TRUE(starts_on(Buffer<std::uint8_t>::zeroed(size).data(), buffer_alignment)) << size;
  }
  EXPECT_TRUE(starts_on(Buffer<float>(huge_page).data(), huge_page));
  EXPECT_TRUE(starts_on(Buffer<float>::zeroed(huge_page).data(), huge_page));
}

TEST(Buffer, ZeroedIsZeroWhereMemoryIsUsedAgain) {
  for (const std::size_t size : {std::size_t{7}, std::size_t{5000}, huge_page + 13}) {
    for (int round = 0; round < 3; ++round) {
      auto buffer = Buffer<std::uint32_t>::zeroed(size);
      ASSERT_EQ(buffer.size(), size);
      EXPECT_EQ(std::count(buffer.data(), buffer.data() + size, 0u), static_cast<std::ptrdiff_t>(size));
      std::fill_n(buffer.data(), size, 0xffffffffu);  // for whoever gets this memory next
    }
  }
}

TEST(Buffer, MovesWithWhatItOwns) {
  auto first = Buffer<int>::zeroed(3);
  first[2] = 5;
  Buffer<int> second = std::move(first);
  second.reserve_discard(2);
  EXPECT_EQ(second[2], 5);
  second = Buffer<int>(4);
  EXPECT_EQ(second.size(), 4u);
  EXPECT_EQ(Buffer<int>::zeroed(0).data(), nullptr);
}

}  // namespace
}  // namespace vernier
