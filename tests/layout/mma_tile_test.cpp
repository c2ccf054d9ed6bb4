// The tile order: each element has a place of its own, places fill the matrix, lanes hold what the instructions want.
#include "vernier/layout/mma_tile.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace vernier {
namespace {

constexpr Precision precisions[] = {Precision::f16, Precision::bf16, Precision::i8, Precision::e4m3, Precision::e5m2, Precision::nf4};

TEST(MmaTile, EveryElementOfThePaddedMatrixHasItsOwnBits) {
  for (const Precision p : precisions)
    for (const auto& [n, k] : {std::pair{1, 1}, {16, 64}, {17, 65}, {33, 200}}) {
      const MmaTile tile{p, n, k};
      const auto width = static_cast<std::size_t>(bits(p));
      std::vector<int> used(tile.total_bytes() * 8, 0);
      for (int row = 0; row < tile.row_tiles() * MmaTile::rows; ++row)
        for (int col = 0; col < tile.col_tiles() * MmaTile::cols; ++col) {
          const std::size_t first = tile.byte_offset(row, col) * 8 + (width == 4 && MmaTile::high_nibble(col) ? 4 : 0);
          ASSERT_LE(first + width, used.size());
          for (std::size_t bit = first; bit < first + width; ++bit) ++used[bit];
        }
      for (const int count : used) ASSERT_EQ(count, 1) << name(p);  // none twice, none left out
    }
}

/// In each chunk of 512 bytes a lane has 16, of the two rows and the eight columns of 32 that are its share.
TEST(MmaTile, LanesHoldTheirRowsAndColumns) {
  for (const Precision p : precisions) {
    const MmaTile tile{p, 16, 64};
    for (int row = 0; row < 16; ++row)
      for (int col = 0; col < 64; ++col) {
        const auto lane = static_cast<int>(tile.byte_offset(row, col)) % MmaTile::chunk_bytes / MmaTile::lane_bytes;
        EXPECT_EQ(lane / 4, row % 8);
        EXPECT_EQ(lane % 4, col % 32 / 8);
      }
  }
}

TEST(MmaTile, TilesOfARowAreContiguous) {
  for (const Precision p : precisions) {
    const MmaTile tile{p, 40, 300};
    for (int i = 0; i < tile.row_tiles(); ++i)
      for (int j = 0; j < tile.col_tiles(); ++j)
        EXPECT_EQ(tile.byte_offset(16 * i, 64 * j),
                  static_cast<std::size_t>(i) * tile.row_tile_bytes() + static_cast<std::size_t>(j * MmaTile::tile_bytes(p)));
  }
}

TEST(MmaTile, CodesOfNf4AreRotated) {
  for (unsigned code = 0; code < 16; ++code) {
    EXPECT_EQ(MmaTile::nf4_code(MmaTile::nf4_place(code)), code);
    EXPECT_EQ(MmaTile::nf4_place(code) >= 8, code % 2 == 1);
    EXPECT_EQ(MmaTile::nf4_place(code) % 8, code / 2);
  }
}

}  // namespace
}  // namespace vernier
