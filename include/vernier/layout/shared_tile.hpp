// How a tile of 16-bit elements lies in shared memory, so that neither cp.async nor ldmatrix meets a bank conflict.
#pragma once

#include "vernier/core/macros.hpp"

namespace vernier {

/// Rows of Cols 16-bit elements, in chunks of 16 bytes, the unit of cp.async and of a row of ldmatrix. ldmatrix reads one chunk of each of
/// eight rows at once: these must lie in eight different 16-byte groups of the 128 bytes that shared memory serves together. So chunk c of
/// row r is stored as chunk c ^ (r modulo the chunks of a row), where rows that fill 128 bytes together count as one.
template <int Cols>
struct SharedTile {
  static_assert(Cols == 32 || Cols == 64, "vernier::SharedTile: rows of 32 or 64 elements, 64 or 128 bytes");
  static constexpr int chunks = Cols / 8;
  static constexpr int row_bytes = 2 * Cols;

  VERNIER_HD static constexpr int byte_offset(int row, int chunk) {
    return row * row_bytes + 16 * (chunk ^ (row / (8 / chunks) & (chunks - 1)));
  }
};

}  // namespace vernier
