// Packing one panel of a matrix: the absmax of its groups, then its codes. Written once, compiled for each instruction set with the steps
// of pack_scalar.hpp, pack_avx2.hpp or pack_avx512.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "vernier/core/macros.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cpu/features.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/quant/code_tile.hpp"
#include "vernier/quant/pack_avx2.hpp"
#include "vernier/quant/pack_avx512.hpp"
#include "vernier/quant/pack_scalar.hpp"
#include "vernier/quant/scales.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier::detail {

/// Rows of a panel, up to 32, on their way into `out`: the panel that starts at first_row. T is float, f16 or bf16, or the format's own
/// type, whose values are codes already.
template <class T>
struct PanelRows {
  PackedMatrix& out;
  int first_row = 0;
  MatrixView<const T> rows;

  int index() const { return first_row / CpuPanel::rows; }
};

/// Leaves the absmax of each (row, scale group) in the scales of a format that has them, 0 for rows beyond the matrix. Throws Error for a
/// value that is not finite.
template <class Steps, Precision P, class T>
[[gnu::always_inline]] inline void absmax_panel(const PanelRows<T>& panel) {
  PackedMatrix& out = panel.out;
  const int groups = out.scale_groups(), width = out.scale_group(), cols = panel.rows.cols;
  float* scales = out.scales() + static_cast<std::ptrdiff_t>(panel.index()) * groups * CpuPanel::rows;
  std::fill_n(scales, groups * CpuPanel::rows, 0.0f);
  for (int i = 0; i < panel.rows.rows; ++i) {
    const T* x = panel.rows.row(i);
    for (int col = 0, group = 0; col < cols; col += width, ++group) {
      std::uint32_t most = Steps::absmax(x + col, std::min(width, cols - col));
      if (most >= infinity_bits) refuse_row<P>(x, cols, panel.first_row + i);
      if (P == Precision::nf4 && cols - col < width) most = std::max(most, float_bits(nf4_least_absmax));
      scales[group * CpuPanel::rows + i] = bits_float(most);
    }
  }
}

/// The divisors of 32 rows that have a scale each. `whole` says that they are of whole nf4 blocks, which bitsandbytes multiplies; it
/// divides a short one.
template <Precision P>
struct Divisors {
  float values[CpuPanel::rows] = {}, inverses[CpuPanel::rows] = {};
  bool multiply = false;

  [[gnu::always_inline]] void set(const float* scales, bool whole) {
    multiply = P == Precision::nf4 && whole;
    for (int i = 0; i < CpuPanel::rows; ++i) {
      values[i] = scales[i] == 0.0f ? 1.0f : scales[i];
      inverses[i] = multiply ? nf4_inverse(scales[i]) : 1.0f / values[i];
    }
  }
  [[gnu::always_inline]] Divisor operator[](int row) const { return {values[row], inverses[row], multiply}; }
};

/// Those of a tile, by halves of its columns; formats of 16 bits have none.
template <Precision P>
struct TileDivisors {
  Divisors<P> halves[2];

  [[gnu::always_inline]] RowDivisors row(int i) const { return bits(P) == 16 ? RowDivisors{} : RowDivisors{halves[0][i], halves[1][i]}; }
};

/// Turns rows of codes, `stride` of them apart, into `steps` steps of a panel.
template <class Steps, Precision P>
[[gnu::always_inline]] inline void turn_rows(const CodeOf<P>* codes, std::ptrdiff_t stride, std::uint8_t* out, int steps) {
  using Lane = typename CodeTile<P>::Lane;
  const auto bytes = [](const auto* from) { return reinterpret_cast<const std::uint8_t*>(from); };
  if constexpr (P == Precision::nf4) {
    alignas(64) Lane lanes[CodeTile<P>::rows][CodeTile<P>::steps];
    for (int i = 0; i < CodeTile<P>::rows; ++i) Steps::join_nibbles(codes + i * stride, lanes[i]);
    Steps::template turn<Lane>(bytes(lanes[0]), sizeof lanes[0], out, steps);
  } else {
    Steps::template turn<Lane>(bytes(codes), stride * std::ptrdiff_t{sizeof(CodeOf<P>)}, out, steps);
  }
}

/// Fills `tile` with the codes of the panel's columns [col, col + cols) and zero codes, with the scales that are already in the matrix.
template <class Steps, Precision P, class T>
[[gnu::always_inline]] inline void encode_tile(const PanelRows<T>& panel, int col, int cols, CodeTile<P>& tile) {
  using Tile = CodeTile<P>;
  const PackedView view = panel.out.view();
  const bool whole = cols == Tile::cols;
  constexpr bool coded = std::is_same_v<T, TypeOf<P>>;
  T zero{};
  if constexpr (coded) zero.bits = static_cast<decltype(zero.bits)>(zero_code<P>);
  TileDivisors<P> by;
  if constexpr (bits(P) != 16 && !coded)
    for (int half = 0; half * divisor_width < cols; ++half)
      by.halves[half].set(view.panel_scales(panel.index(), col + half * divisor_width), whole);
  for (int i = 0; i < panel.rows.rows; ++i) {
    const T* x = panel.rows.row(i) + col;
    T padded[Tile::cols];
    if (!whole) {
      std::fill(std::copy_n(x, cols, padded), padded + Tile::cols, zero);
      x = padded;
    }
    if constexpr (coded)
      std::memcpy(tile.codes[i], x, sizeof tile.codes[i]);
    else
      Steps::template encode<P>(x, by.row(i), tile.codes[i]);
  }
  std::fill(tile.codes[panel.rows.rows], tile.codes[Tile::rows], zero_code<P>);
}

/// Encodes a panel with the scales that are already in the matrix; 16-bit formats get their exponents.
template <class Steps, Precision P, class T>
[[gnu::always_inline]] inline void encode_panel(const PanelRows<T>& panel) {
  using Tile = CodeTile<P>;
  PackedMatrix& out = panel.out;
  const PackedView view = out.view();
  Tile tile;
  for (int col = 0; col < view.k; col += Tile::cols) {
    const int cols = std::min(Tile::cols, view.k - col), steps = ceil_div(cols, Tile::pack);
    std::uint8_t* place = out.codes() + view.panel().byte_offset(panel.first_row, col);
    if (std::is_same_v<T, TypeOf<P>> && cols == Tile::cols && panel.rows.rows == Tile::rows) {  // codes already, and no padding
      turn_rows<Steps, P>(reinterpret_cast<const CodeOf<P>*>(panel.rows.data + col), panel.rows.stride, place, steps);
    } else {
      encode_tile<Steps>(panel, col, cols, tile);
      turn_rows<Steps, P>(tile.codes[0], Tile::cols, place, steps);
    }
    if constexpr (bits(P) == 16) {
      std::uint16_t largest[Tile::rows];
      Steps::template largest<Tile::pack>(place, steps, largest);
      std::uint8_t* exponents =
          out.exponents() + (std::ptrdiff_t{panel.index()} * view.exponent_groups() + col / exponent_group) * Tile::rows;
      for (int i = 0; i < Tile::rows; ++i) exponents[i] = exponent_of<P>(largest[i]);
    }
  }
}

/// Throws Error if one of the panel's weights, which are encoded, is not finite or too large for format P, of 16 bits.
template <Precision P, class T>
void refuse_panel(const PanelRows<T>& panel) {
  const int groups = panel.out.view().exponent_groups();
  const std::uint8_t* exponents = panel.out.exponents() + static_cast<std::ptrdiff_t>(panel.index()) * groups * CpuPanel::rows;
  if (std::find(exponents, exponents + groups * CpuPanel::rows, 255) == exponents + groups * CpuPanel::rows) return;
  for (int i = 0; i < panel.rows.rows; ++i)
    for (int group = 0; group < groups; ++group)
      if (exponents[group * CpuPanel::rows + i] == 255) refuse_row<P>(panel.rows.row(i), panel.rows.cols, panel.first_row + i);
}

/// The two passes for one instruction set.
template <Precision P, class T>
struct PanelPacker {
  void (*absmax)(const PanelRows<T>&);
  void (*encode)(const PanelRows<T>&);
};

template <Precision P, class T>
void absmax_panel_scalar(const PanelRows<T>& panel) {
  absmax_panel<PackScalar, P>(panel);
}
template <Precision P, class T>
void encode_panel_scalar(const PanelRows<T>& panel) {
  encode_panel<PackScalar, P>(panel);
}

}  // namespace vernier::detail

#if defined(__x86_64__)
VERNIER_TARGET_AVX2
namespace vernier::cpu::avx2 {
template <Precision P, class T>
[[gnu::flatten]] void absmax_panel(const vernier::detail::PanelRows<T>& panel) {
  vernier::detail::absmax_panel<Pack, P>(panel);
}
template <Precision P, class T>
[[gnu::flatten]] void encode_panel(const vernier::detail::PanelRows<T>& panel) {
  vernier::detail::encode_panel<Pack, P>(panel);
}
}  // namespace vernier::cpu::avx2
VERNIER_TARGET_END

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {
template <Precision P, class T>
[[gnu::flatten]] void absmax_panel(const vernier::detail::PanelRows<T>& panel) {
  vernier::detail::absmax_panel<Pack, P>(panel);
}
template <Precision P, class T>
[[gnu::flatten]] void encode_panel(const vernier::detail::PanelRows<T>& panel) {
  vernier::detail::encode_panel<Pack, P>(panel);
}
}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END
#endif

namespace vernier::detail {

/// That for `isa`, which the machine must have. All give the same bytes.
template <Precision P, class T>
PanelPacker<P, T> panel_packer([[maybe_unused]] cpu::Isa isa) {
#if defined(__x86_64__)
  if (isa == cpu::Isa::avx512) return {cpu::avx512::absmax_panel<P, T>, cpu::avx512::encode_panel<P, T>};
  if (isa == cpu::Isa::avx2) return {cpu::avx2::absmax_panel<P, T>, cpu::avx2::encode_panel<P, T>};
#endif
  return {absmax_panel_scalar<P, T>, encode_panel_scalar<P, T>};
}

}  // namespace vernier::detail
