// A piece of a panel as row-major codes, and the walk over a panel's pieces. Every loop over a packed matrix in quant/ goes this way.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "vernier/core/math.hpp"
#include "vernier/layout/cpu_panel.hpp"
#include "vernier/layout/weight_format.hpp"
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
struct CodeTile {
  static constexpr int rows = CpuPanel::rows, cols = 64;
  static constexpr int pack = CpuPanel::pack(P), lane_bytes = pack * bits(P) / 8, steps = cols / pack;
  using Lane = std::conditional_t<lane_bytes == 4, std::uint32_t, std::uint16_t>;
  static_assert(sizeof(Lane) == lane_bytes && cols % pack == 0, "vernier: a lane is 2 or 4 bytes and tiles hold whole steps");
  static_assert(cols == exponent_group, "vernier: a tile holds the weights of one exponent");

  alignas(64) CodeOf<P> codes[rows][cols];

  /// Reads `count` steps of a panel from `in`; the remaining columns keep what they had.
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
};

/// Calls f(tile_col, cols, place, steps) for each tile of one panel: its first column, how many columns of the matrix it holds, the
/// byte at which it starts and its steps.
template <Precision P, class F>
void for_tiles(const CpuPanel& panel, int panel_index, F&& f) {
  using Tile = CodeTile<P>;
  for (int col = 0; col < panel.k; col += Tile::cols) {
    const int cols = std::min(Tile::cols, panel.k - col);
    f(col, cols, panel.byte_offset(panel_index * CpuPanel::rows, col), ceil_div(cols, Tile::pack));
  }
}

}  // namespace detail
}  // namespace vernier
