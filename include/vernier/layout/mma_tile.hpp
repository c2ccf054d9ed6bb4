// Where a weight lies in the order in which CUDA kernels stream it. This is the only place that knows: packing, kernels and tests all ask
// here. Not a container; see mma_weights.hpp for the storage.
#pragma once

#include <cstddef>

#include "vernier/core/macros.hpp"
#include "vernier/core/math.hpp"
#include "vernier/types/precision.hpp"

namespace vernier {

/// The tile order of a weight matrix (n rows, k columns) of one precision.
///
/// A tile is 16 rows by 64 columns: the A operand of four mma.m16n8k16 or of two mma.m16n8k32. The tiles of 16 rows follow each other along
/// k, so that a warp which owns rows reads one sequential stream for each 16 of them. A tile is made of 512-byte chunks, 16 bytes for each
/// lane of a warp; nf4 has one, 8-bit codes two, 16-bit codes four.
///
/// Lane l, with g = l / 4 and t = l % 4 as in the instructions, holds rows g and g + 8, and of each 32 columns the eight from 8t on. That
/// is not the order of k that the instructions name, but a product does not ask in which order k is summed, as long as both operands have
/// the same: here a lane finds its share of an activation row, too, in eight consecutive columns, of 16-bit and of 8-bit activations alike,
/// and one copy of the weights serves both kinds of product.
///
/// The 16 bytes are four words of 32 bits, each of consecutive codes of one row, of row g and row g + 8 in turn: where codes are multiplied
/// as they are, they are the four registers of an instruction's A operand, in order.
///
///   nf4      words of eight codes: columns 0 to 31 for both rows, then 32 to 63; a nibble is nf4_place(code)
///   8 bits   chunk j is columns 32j on, words of four codes: the first four of a lane's columns for both rows, then the others
///   16 bits  chunk 2j + i is the i-th four of a lane's columns from 32j on, words of two codes
struct MmaTile {
  static constexpr int rows = 16, cols = 64, lanes = 32, lane_bytes = 16, chunk_bytes = lanes * lane_bytes;
  static constexpr int run = 8;  // consecutive columns of a row in one lane

  /// Codes in 32 bits.
  VERNIER_HD static constexpr int word(Precision p) { return 32 / bits(p); }

  Precision precision = Precision::f16;
  int n = 0;  // rows of the matrix, before padding
  int k = 0;  // columns, before padding

  /// Bytes of one tile.
  VERNIER_HD static constexpr int tile_bytes(Precision p) { return rows * cols * bits(p) / 8; }

  VERNIER_HD constexpr int row_tiles() const { return ceil_div(n, rows); }
  VERNIER_HD constexpr int col_tiles() const { return ceil_div(k, cols); }
  /// From one row of tiles to the next.
  VERNIER_HD constexpr std::size_t row_tile_bytes() const {
    return static_cast<std::size_t>(col_tiles()) * static_cast<std::size_t>(tile_bytes(precision));
  }
  VERNIER_HD constexpr std::size_t total_bytes() const { return static_cast<std::size_t>(row_tiles()) * row_tile_bytes(); }

  /// The byte, within its tile, of the word that begins at (row, col): row below 16, col a multiple of word(p) below 64.
  VERNIER_HD static constexpr int word_offset(Precision p, int row, int col) {
    const int lane = row % 8 * 4 + col % 32 / run, j = col / 32, h = row / 8, four = col % run / 4, two = col % 4 / 2;
    switch (bits(p)) {
      case 4: return lane * lane_bytes + (2 * j + h) * 4;
      case 8: return j * chunk_bytes + lane * lane_bytes + (2 * four + h) * 4;
      default: return (2 * j + four) * chunk_bytes + lane * lane_bytes + (2 * two + h) * 4;
    }
  }

  /// The byte in which the code of (row, col) starts, counted from the start of the matrix. For nf4 see also high_nibble().
  VERNIER_HD constexpr std::size_t byte_offset(int row, int col) const {
    const int in_word = col % word(precision), first = col % cols - in_word;
    const int in_tile = word_offset(precision, row % rows, first) + in_word * bits(precision) / 8;
    return static_cast<std::size_t>(row / rows) * row_tile_bytes() + static_cast<std::size_t>(col / cols * tile_bytes(precision) + in_tile);
  }

  /// Whether an nf4 code lies in the upper half of its byte.
  VERNIER_HD static constexpr bool high_nibble(int col) { return col % 2 == 1; }

  /// What a nibble holds for an nf4 code: the code rotated right, so that its highest bit tells even codes from odd. Neighbouring codes
  /// stand for values of one sign, and a kernel that looks up even and odd codes in two tables of eight joins them with one exclusive or
  /// (gemm/decode.cuh).
  VERNIER_HD static constexpr unsigned nf4_place(unsigned code) { return code >> 1 | (code & 1u) << 3; }
  /// The code of such a nibble.
  VERNIER_HD static constexpr unsigned nf4_code(unsigned place) { return (place << 1 | place >> 3) & 15u; }

  /// Where the scale of (row, group) lies: for each 16 rows, for each group, 16 scales.
  VERNIER_HD static constexpr std::size_t scale_index(int row, int group, int groups) {
    return (static_cast<std::size_t>(row / rows) * static_cast<std::size_t>(groups) + static_cast<std::size_t>(group)) * rows +
           static_cast<std::size_t>(row % rows);
  }
};

}  // namespace vernier
