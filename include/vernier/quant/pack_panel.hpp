// Packing one panel of a matrix: the absmax of its groups, then its codes. Written once, compiled for each instruction set with the steps
// of pack_scalar.hpp, pack_avx2.hpp or pack_avx512.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

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

/// Rows of a panel, up to 32, on their way into `out`: the panel that starts at first_row. Rows is Int8BlockRows or a MatrixView of float,
/// f16 or bf16, or of the format's own type, whose values are codes already.
template <class Rows>
struct PanelRows {
  using Value = std::remove_cvref_t<decltype(std::declval<Rows>().row(0)[0])>;

  PackedMatrix& out;
  int first_row = 0;
  Rows rows;

  int index() const { return first_row / CpuPanel::rows; }
};

/// Leaves the absmax of each (row, scale group) in the scales of a format that has them, 0 for rows beyond the matrix. Throws Error for a
/// value that is not finite.
template <class Steps, Precision P, class Rows>
[[gnu::always_inline]] inline void absmax_panel(const PanelRows<Rows>& panel) {
  PackedMatrix& out = panel.out;
  const int groups = out.scale_groups(), width = out.scale_group(), cols = panel.rows.cols;
  float* scales = out.scales() + static_cast<std::ptrdiff_t>(panel.index()) * groups * CpuPanel::rows;
  std::fill_n(scales, groups * CpuPanel::rows, 0.0f);
  for (int i = 0; i < panel.rows.rows; ++i) {
    const auto x = panel.rows.row(i);
    for (int col = 0, group = 0; col < cols; col += width, ++group) {
      std::uint32_t most = Steps::absmax(x + col, std::min(width, cols - col));
      if (most >= infinity_bits) refuse_row<P>(x, cols, panel.first_row + i);
      if (P == Precision::nf4 && cols - col < width) most = std::max(most, float_bits(nf4_least_absmax));
      scales[group * CpuPanel::rows + i] = bits_float(most);
    }
  }
}

/// The normalizers of the rows of a tile, by halves of its columns. Formats of 16 bits have none.
template <Precision P>
class TileNormalizers {
 public:
  /// From the scales that rows have in each half; null for a half that lies behind the last column. `whole` says that these are whole nf4
  /// blocks; bitsandbytes divides a short one.
  [[gnu::always_inline]] void set(const float* first, const float* second, bool whole) {
    divides_ = P == Precision::nf4 && !whole;
    for (int i = 0; i < CpuPanel::rows; ++i) by_[0][i] = of(first[i]);
    for (int i = 0; i < CpuPanel::rows; ++i) by_[1][i] = of(second == nullptr ? 1.0f : second[i]);
  }
  [[gnu::always_inline]] RowNormalizers row(int i) const {
    if constexpr (bits(P) == 16) return {};
    return {Normalizer{by_[0][i], divides_}, Normalizer{by_[1][i], divides_}};
  }

 private:
  [[gnu::always_inline]] float of(float scale) const {
    if (P == Precision::nf4) return divides_ ? scale : nf4_inverse(scale);
    return inverse_scale(scale);
  }

  float by_[2][CpuPanel::rows];
  bool divides_ = false;
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

/// Tiles side by side, as many as are made at a time: what is read of each row is then long enough to be fetched ahead.
template <Precision P>
struct TileStrip {
  static constexpr int tiles = 4, cols = tiles * CodeTile<P>::cols;

  CodeTile<P> tile[tiles];
};

/// Columns of a panel that one tile takes.
template <Precision P>
constexpr int tile_cols(int col, int end) {
  return std::min(CodeTile<P>::cols, end - col);
}

/// Values of a format's own type as its codes.
template <Precision P>
const CodeOf<P>* codes_of(const TypeOf<P>* values) {
  static_assert(sizeof(CodeOf<P>) == sizeof(TypeOf<P>), "vernier: a format's type holds its code and nothing else");
  return reinterpret_cast<const CodeOf<P>*>(values);
}

/// The codes of a row of a tile.
template <class Steps, Precision P, class Row>
[[gnu::always_inline]] inline void encode_row(Row x, const RowNormalizers& normal, CodeOf<P> (&out)[CodeTile<P>::cols]) {
  if constexpr (std::is_same_v<Row, const TypeOf<P>*>)
    std::memcpy(out, x, sizeof out);
  else
    Steps::template encode<P>(x, normal, out);
}

/// Fills `strip` with the codes of the panel's columns from `col` on and zero codes, with the scales that are already in the matrix.
template <class Steps, Precision P, class Rows>
[[gnu::always_inline]] inline void encode_strip(const PanelRows<Rows>& panel, int col, TileStrip<P>& strip) {
  using Tile = CodeTile<P>;
  using Value = typename PanelRows<Rows>::Value;
  constexpr bool coded = std::is_same_v<Value, TypeOf<P>>;
  const PackedView view = panel.out.view();
  const int count = std::min(TileStrip<P>::tiles, ceil_div(view.k - col, Tile::cols));
  TileNormalizers<P> normal[TileStrip<P>::tiles];
  if constexpr (bits(P) != 16 && !coded)
    for (int t = 0; t < count; ++t) {
      const int first = col + t * Tile::cols, second = first + share_width;
      normal[t].set(view.panel_scales(panel.index(), first), second < view.k ? view.panel_scales(panel.index(), second) : nullptr,
                    tile_cols<P>(first, view.k) == Tile::cols);
    }
  Value zero{};
  if constexpr (coded) zero.bits = static_cast<decltype(zero.bits)>(zero_code<P>);
  for (int i = 0; i < panel.rows.rows; ++i)
    for (int t = 0; t < count; ++t) {
      const auto x = panel.rows.row(i) + (col + t * Tile::cols);
      const int cols = tile_cols<P>(col + t * Tile::cols, view.k);
      if (cols == Tile::cols) {
        encode_row<Steps, P>(x, normal[t].row(i), strip.tile[t].codes[i]);
      } else {
        Value padded[Tile::cols];
        for (int j = 0; j < Tile::cols; ++j) padded[j] = j < cols ? x[j] : zero;
        encode_row<Steps, P>(static_cast<const Value*>(padded), normal[t].row(i), strip.tile[t].codes[i]);
      }
    }
  for (int i = panel.rows.rows; i < Tile::rows; ++i)
    for (Tile& tile : strip.tile) std::fill_n(tile.codes[i], Tile::cols, zero_code<P>);
}

/// Encodes a panel with the scales that are already in the matrix; 16-bit formats get their exponents.
template <class Steps, Precision P, class Rows>
[[gnu::always_inline]] inline void encode_panel(const PanelRows<Rows>& panel) {
  using Tile = CodeTile<P>;
  PackedMatrix& out = panel.out;
  const PackedView view = out.view();
  TileStrip<P> strip;
  for (int col = 0; col < view.k; col += Tile::cols) {
    const int cols = tile_cols<P>(col, view.k), steps = ceil_div(cols, Tile::pack), number = col % TileStrip<P>::cols / Tile::cols;
    std::uint8_t* place = out.codes() + view.panel().byte_offset(panel.first_row, col);
    bool turned = false;
    if constexpr (std::is_same_v<typename PanelRows<Rows>::Value, TypeOf<P>>) {  // codes already
      turned = view.k % Tile::cols == 0 && panel.rows.rows == Tile::rows;        // and no padding
      if (turned) turn_rows<Steps, P>(codes_of<P>(panel.rows.row(0) + col), panel.rows.stride, place, steps);
    }
    if (!turned) {
      if (number == 0) encode_strip<Steps>(panel, col, strip);
      turn_rows<Steps, P>(strip.tile[number].codes[0], Tile::cols, place, steps);
    }
    if constexpr (bits(P) == 16) {
      const std::ptrdiff_t group = std::ptrdiff_t{panel.index()} * view.exponent_groups() + col / exponent_group;
      Steps::template exponents<P>(place, steps, out.exponents() + group * Tile::rows);
    }
  }
}

/// Throws Error if one of the panel's weights, which are encoded, is not finite or too large for format P, of 16 bits.
template <Precision P, class Rows>
void refuse_panel(const PanelRows<Rows>& panel) {
  const int groups = panel.out.view().exponent_groups();
  const std::uint8_t* exponents = panel.out.exponents() + static_cast<std::ptrdiff_t>(panel.index()) * groups * CpuPanel::rows;
  if (std::memchr(exponents, 255, static_cast<std::size_t>(groups * CpuPanel::rows)) == nullptr) return;
  for (int i = 0; i < panel.rows.rows; ++i)
    for (int group = 0; group < groups; ++group)
      if (exponents[group * CpuPanel::rows + i] == 255) refuse_row<P>(panel.rows.row(i), panel.rows.cols, panel.first_row + i);
}

template <Precision P, class Rows>
void absmax_panel_scalar(const PanelRows<Rows>& panel) {
  absmax_panel<PackScalar, P>(panel);
}
template <Precision P, class Rows>
void encode_panel_scalar(const PanelRows<Rows>& panel) {
  encode_panel<PackScalar, P>(panel);
}

}  // namespace vernier::detail

#if defined(__x86_64__)
VERNIER_TARGET_AVX2
namespace vernier::cpu::avx2 {
template <Precision P, class Rows>
[[gnu::flatten]] void absmax_panel(const vernier::detail::PanelRows<Rows>& panel) {
  vernier::detail::absmax_panel<Pack, P>(panel);
}
template <Precision P, class Rows>
[[gnu::flatten]] void encode_panel(const vernier::detail::PanelRows<Rows>& panel) {
  vernier::detail::encode_panel<Pack, P>(panel);
}
}  // namespace vernier::cpu::avx2
VERNIER_TARGET_END

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {
template <Precision P, class Rows>
[[gnu::flatten]] void absmax_panel(const vernier::detail::PanelRows<Rows>& panel) {
  vernier::detail::absmax_panel<Pack, P>(panel);
}
template <Precision P, class Rows>
[[gnu::flatten]] void encode_panel(const vernier::detail::PanelRows<Rows>& panel) {
  vernier::detail::encode_panel<Pack, P>(panel);
}
}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END
#endif

namespace vernier::detail {

/// A pass over one panel, compiled for one instruction set.
template <class Rows>
using PanelPass = void (*)(const PanelRows<Rows>&);

/// absmax_panel() for `isa`, which the machine must have. All give the same bytes.
template <Precision P, class Rows>
PanelPass<Rows> absmax_pass([[maybe_unused]] cpu::Isa isa) {
#if defined(__x86_64__)
  if (isa == cpu::Isa::avx512) return cpu::avx512::absmax_panel<P, Rows>;
  if (isa == cpu::Isa::avx2) return cpu::avx2::absmax_panel<P, Rows>;
#endif
  return absmax_panel_scalar<P, Rows>;
}

/// encode_panel() for `isa`.
template <Precision P, class Rows>
PanelPass<Rows> encode_pass([[maybe_unused]] cpu::Isa isa) {
#if defined(__x86_64__)
  if (isa == cpu::Isa::avx512) return cpu::avx512::encode_panel<P, Rows>;
  if (isa == cpu::Isa::avx2) return cpu::avx2::encode_panel<P, Rows>;
#endif
  return encode_panel_scalar<P, Rows>;
}

}  // namespace vernier::detail
