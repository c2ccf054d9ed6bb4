// Codes between row-major order, one code an element, and the panel order of PackedMatrix. Exact both ways; knows nothing of scales.
// The order itself is defined by CpuPanel; here it is only walked fast, a tile of 32 rows by 64 columns at a time.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "vernier/core/error.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/quant/encode.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier {

/// The code of the number zero, which also fills the padding.
template <Precision P>
inline constexpr CodeOf<P> zero_code = P == Precision::nf4 ? CodeOf<P>{nf4::zero_code} : CodeOf<P>{0};

namespace detail {

static_assert(std::endian::native == std::endian::little,
              "vernier: lanes are written as little-endian words; port CodeTile to this machine");

/// 32 rows by 64 columns of codes, row-major, on their way into or out of a panel. 64 is a whole number of steps for each precision, and
/// the tile stays in the first-level cache while it is turned: writing row by row into a panel would touch each of its lines 32 times.
template <Precision P>
class CodeTile {
 public:
  static constexpr int rows = CpuPanel::rows, cols = 64;
  static constexpr int pack = CpuPanel::pack(P), lane_bytes = pack * bits(P) / 8, steps = cols / pack;
  using Lane = std::conditional_t<lane_bytes == 4, std::uint32_t, std::uint16_t>;
  static_assert(sizeof(Lane) == lane_bytes && cols % pack == 0, "vernier: a lane is 2 or 4 bytes and tiles hold whole steps");

  alignas(64) CodeOf<P> codes[rows][cols];

  /// Writes the first `count` steps to `out`, the place of the tile's first step in its panel.
  void store(std::uint8_t* out, int count) const {
    if constexpr (P == Precision::nf4) {
      alignas(64) Lane lanes[rows][steps];
      for (int row = 0; row < rows; ++row) nibbles_of(row, lanes[row]);
      turn(reinterpret_cast<const std::uint8_t*>(lanes), out, count);
    } else {
      turn(reinterpret_cast<const std::uint8_t*>(codes), out, count);
    }
  }

  /// Reads `count` steps from `in`; the remaining columns keep what they had.
  void load(const std::uint8_t* in, int count) {
    for (int step = 0; step < count; ++step, in += rows * lane_bytes) {
      Lane lanes[rows];
      std::memcpy(lanes, in, sizeof lanes);
      for (int row = 0; row < rows; ++row) {
        if constexpr (P == Precision::nf4) {
          const std::uint32_t low = lanes[row] & 0x0f0f0f0fu, high = lanes[row] >> 4 & 0x0f0f0f0fu;
          const std::uint64_t eight = low | static_cast<std::uint64_t>(high) << 32;
          std::memcpy(&codes[row][step * pack], &eight, sizeof eight);
        } else {
          std::memcpy(&codes[row][step * pack], &lanes[row], sizeof(Lane));
        }
      }
    }
  }

 private:
  /// The lanes of one row of nf4: columns 4 to 7 of each eight go into the high nibbles.
  void nibbles_of(int row, Lane (&lanes)[steps]) const {
    std::uint32_t fours[2 * steps];
    std::memcpy(fours, codes[row], sizeof fours);
    for (int step = 0; step < steps; ++step) lanes[step] = fours[2 * step] | fours[2 * step + 1] << 4;
  }

  /// From `steps` lanes of each row to `rows` lanes of each of `count` steps, in squares of 16 bytes a row.
  static void turn(const std::uint8_t* from, std::uint8_t* out, int count) {
    constexpr int side = 16 / lane_bytes;
    int step = 0;
    for (; step + side <= count; step += side)
      for (int row = 0; row < rows; row += side)
        turn_lanes(from + (row * steps + step) * lane_bytes, steps * lane_bytes, out + (step * rows + row) * lane_bytes, rows * lane_bytes,
                   Lane{});
    for (; step < count; ++step)
      for (int row = 0; row < rows; ++row)
        std::memcpy(out + (step * rows + row) * lane_bytes, from + (row * steps + step) * lane_bytes, lane_bytes);
  }
};

/// Writes the exponents of a tile of `cols` columns from column `col` on, one for each row.
template <Precision P>
void store_exponents(PackedMatrix& out, int panel_index, int col, int cols, const CodeTile<P>& tile) {
  static_assert(CodeTile<P>::cols == exponent_group, "vernier: a tile holds the weights of one exponent");
  const std::ptrdiff_t group = static_cast<std::ptrdiff_t>(panel_index) * out.view().exponent_groups() + col / exponent_group;
  std::uint8_t* exponents = out.exponents() + group * CpuPanel::rows;
  for (int row = 0; row < CpuPanel::rows; ++row) {
    std::int16_t largest = 0;  // magnitudes compare like their codes
    for (int i = 0; i < cols; ++i) largest = std::max(largest, static_cast<std::int16_t>(tile.codes[row][i] & 0x7fff));
    exponents[row] = static_cast<std::uint8_t>(float_bits(TypeOf<P>{static_cast<std::uint16_t>(largest)}.decode()) >> 23);
  }
}

/// Writes a tile of `cols` columns from column `col` on: its codes, and what stands beside them.
template <Precision P>
void store_tile(PackedMatrix& out, int panel_index, int col, int cols, const CodeTile<P>& tile) {
  const std::size_t place = out.panel().byte_offset(panel_index * CpuPanel::rows, col);
  tile.store(out.codes() + place, ceil_div(cols, CodeTile<P>::pack));
  if constexpr (bits(P) == 16) store_exponents<P>(out, panel_index, col, cols, tile);
}

/// Calls f(tile_col, cols, place, steps) for each tile of one panel: its first column, how many columns of the matrix it holds, the
/// byte at which it starts and its steps.
/// This is how every loop over a packed matrix in quant/ goes.
template <Precision P, class F>
void for_tiles(const CpuPanel& panel, int panel_index, F&& f) {
  using Tile = CodeTile<P>;
  for (int col = 0; col < panel.k; col += Tile::cols) {
    const int cols = std::min(Tile::cols, panel.k - col);
    f(col, cols, panel.byte_offset(panel_index * CpuPanel::rows, col), ceil_div(cols, Tile::pack));
  }
}

}  // namespace detail

/// Writes rows [first_row, first_row + codes.rows) of `out` from row-major codes, one code per element (nf4: its low four bits), with zero
/// codes in the padding. Scales are not touched. Throws Error when P is not the precision of `out`, or the rows are not whole panels of it.
template <Precision P>
void pack_codes(PackedMatrix& out, int first_row, MatrixView<const CodeOf<P>> codes) {
  const CpuPanel panel = out.panel();
  expect(P == panel.precision, "vernier::pack_codes", "codes of ", name(P), " into a matrix of ", name(panel.precision));
  expect_panel_rows("vernier::pack_codes", out, first_row, codes.rows, codes.cols);
  for (int row = 0; row < codes.rows; row += CpuPanel::rows) {
    const int index = (first_row + row) / CpuPanel::rows;
    detail::for_tiles<P>(panel, index, [&](int col, int cols, std::size_t, int) {
      detail::CodeTile<P> tile;
      std::fill_n(&tile.codes[0][0], tile.rows * tile.cols, zero_code<P>);
      for (int i = 0; i < std::min(tile.rows, codes.rows - row); ++i) std::copy_n(codes.row(row + i) + col, cols, tile.codes[i]);
      detail::store_tile<P>(out, index, col, cols, tile);
    });
  }
}

/// The codes of rows [first_row, first_row + out.rows), row-major, one per element: the inverse of pack_codes().
/// Throws Error when P is not the precision of `w`, or the rows are not whole panels of it.
template <Precision P>
void unpack_codes(const PackedMatrix& w, int first_row, MatrixView<CodeOf<P>> out) {
  const CpuPanel panel = w.panel();
  expect(P == panel.precision, "vernier::unpack_codes", "codes of ", name(P), " from a matrix of ", name(panel.precision));
  expect_panel_rows("vernier::unpack_codes", w, first_row, out.rows, out.cols);
  for (int row = 0; row < out.rows; row += CpuPanel::rows) {
    detail::for_tiles<P>(panel, (first_row + row) / CpuPanel::rows, [&](int col, int cols, std::size_t place, int steps) {
      detail::CodeTile<P> tile;
      tile.load(w.view().codes + place, steps);
      for (int i = 0; i < std::min(tile.rows, out.rows - row); ++i) std::copy_n(tile.codes[i], cols, out.row(row + i) + col);
    });
  }
}

}  // namespace vernier
