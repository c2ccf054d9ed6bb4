// Pieces of an arena: where they lie, and that they keep their memory.
#include "vernier/core/arena.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <utility>

#include "vernier/layout/packed_matrix.hpp"

namespace vernier {
namespace {

TEST(Arena, PiecesFollowEachOtherOnCacheLines) {
  Arena arena;
  const auto first = arena.take(1), second = arena.take(buffer_alignment), third = arena.take(buffer_alignment + 1);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first.get()) % huge_page, 0u);
  EXPECT_EQ(second.get() - first.get(), static_cast<std::ptrdiff_t>(buffer_alignment));
  EXPECT_EQ(third.get() - second.get(), static_cast<std::ptrdiff_t>(buffer_alignment));
}

TEST(Arena, APieceThatDoesNotFitStartsAChunk) {
  Arena arena(huge_page);
  const auto first = arena.take(huge_page - buffer_alignment), last = arena.take(buffer_alignment), next = arena.take(1);
  EXPECT_EQ(last.get() - first.get(), static_cast<std::ptrdiff_t>(huge_page - buffer_alignment));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(next.get()) % huge_page, 0u);
  const auto large = arena.take(3 * huge_page + 1);  // larger than a chunk
  std::memset(large.get(), 1, 3 * huge_page + 1);
  const auto beside = arena.take(huge_page - buffer_alignment);  // what the large one left
  EXPECT_EQ(beside.get() - large.get(), static_cast<std::ptrdiff_t>(3 * huge_page + buffer_alignment));
}

TEST(Arena, AChunkGoesWithItsLastPiece) {
  std::weak_ptr<std::uint8_t> chunk;
  std::shared_ptr<std::uint8_t> second;
  {
    Arena arena;
    const auto first = arena.take(100);
    chunk = first;
    second = arena.take(100);
  }
  EXPECT_FALSE(chunk.expired());
  std::memset(second.get(), 1, 100);  // still ours, although the arena and the first piece are gone
  second.reset();
  EXPECT_TRUE(chunk.expired());
}

TEST(Arena, MatricesOutliveIt) {
  PackedMatrix w;
  {
    Arena arena;
    w = PackedMatrix(33, 7, default_format(Precision::nf4), &arena);
  }
  std::memset(w.memory().data(), 1, w.memory().size());
  const PackedView before = w.view();
  const PackedMatrix moved = std::move(w);
  EXPECT_EQ(moved.view().codes, before.codes);
  EXPECT_EQ(moved.view().scale(32, 6), before.scale(32, 6));
}

}  // namespace
}  // namespace vernier
