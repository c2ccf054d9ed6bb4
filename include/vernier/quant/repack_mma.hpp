// From the order in which the CPU streams weights to that of CUDA kernels. Exact: the same codes, the same scales.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string_view>

#include "vernier/core/error.hpp"
#include "vernier/layout/mma_weights.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/quant/repack.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier::cuda {

namespace detail {

/// The codes of one panel of 32 rows, row-major, with zero codes in what pads it to whole tiles.
template <Precision P>
Buffer<CodeOf<P>> panel_codes(const PackedMatrix& w, int panel, int stride) {
  const int first = panel * CpuPanel::rows, rows = std::min(CpuPanel::rows, w.n() - first);
  Buffer<CodeOf<P>> codes(static_cast<std::size_t>(CpuPanel::rows) * static_cast<std::size_t>(stride));
  std::fill_n(codes.data(), codes.size(), zero_code<P>);
  unpack_codes<P>(w, first, MatrixView<CodeOf<P>>(codes.data(), rows, w.k(), stride));
  return codes;
}

/// A word of consecutive codes of a row.
template <Precision P>
void store_word(const CodeOf<P>* codes, std::uint8_t* out) {
  std::uint32_t word = 0;
  if constexpr (P == Precision::nf4)
    for (unsigned i = 0; i < 8; ++i) word |= MmaTile::nf4_place(codes[i]) << 4 * i;
  else
    std::memcpy(&word, codes, sizeof word);
  std::memcpy(out, &word, sizeof word);
}

/// Whether a row of e4m3 codes has a NaN from `first` to `end`.
inline bool has_e4m3_nan(const std::uint8_t* codes, int first, int end) {
  return std::any_of(codes + first, codes + end, [](std::uint8_t code) { return (code & 0x7fu) == e4m3_layout.nan_code; });
}

template <Precision P>
void repack_panel(const PackedMatrix& w, int panel, PackedWeights& out, int first_tile, int tile_step) {
  const WeightView shape = out.view();
  const MmaTile tile = shape.tile();
  const int stride = tile.col_tiles() * MmaTile::cols, first_row = panel * CpuPanel::rows;
  const Buffer<CodeOf<P>> codes = panel_codes<P>(w, panel, stride);
  const PackedView from = w.view();
  for (int half = 0; half < CpuPanel::rows / MmaTile::rows && first_row + MmaTile::rows * half < w.n(); ++half) {
    const int target = first_tile + (CpuPanel::rows / MmaTile::rows * panel + half) * tile_step;
    for (int row = 0; row < MmaTile::rows; ++row) {
      const int source = first_row + MmaTile::rows * half + row;
      const CodeOf<P>* from_row = codes.data() + (MmaTile::rows * half + row) * stride;
      std::uint8_t* to_row = out.codes() + static_cast<std::size_t>(target) * tile.row_tile_bytes();
      for (int col = 0; col < stride; col += MmaTile::word(P))
        store_word<P>(from_row + col,
                      to_row + col / MmaTile::cols * MmaTile::tile_bytes(P) + MmaTile::word_offset(P, row, col % MmaTile::cols));
      for (int g = 0; g < shape.scale_groups; ++g) {
        const int width = shape.scale_group != 0 ? shape.scale_group : w.k(), first = g * width, end = std::min(first + width, w.k());
        float scale = source < w.n() && first < w.k() ? from.scale(source, first) : 0.0f;
        if constexpr (P == Precision::e4m3)
          if (first < end && has_e4m3_nan(from_row, first, end)) scale = std::numeric_limits<float>::quiet_NaN();
        out.scales()[MmaTile::scale_index(MmaTile::rows * target + row, g, shape.scale_groups)] = scale;
      }
    }
  }
}

inline void expect_alike(const PackedMatrix& a, const PackedMatrix& b, std::string_view where) {
  expect(a.k() == b.k() && a.format() == b.format(), where, "a matrix of k = ", b.k(), " in ", to_string(b.format()),
         " beside one of k = ", a.k(), " in ", to_string(a.format()));
}

}  // namespace detail

/// Writes panel `panel` of w (32 rows, or what is left) to `out`, whose rows of tiles from first_tile on, every tile_step-th, are w's. The
/// unit of work where threads share a matrix: panels do not overlap. A group of e4m3 weights that has a NaN gets the scale NaN, which makes
/// the same of every product, so that kernels need not look for it. Throws Error when `out` has no place for it.
inline void repack_panel(const PackedMatrix& w, int panel, PackedWeights& out, int first_tile = 0, int tile_step = 1) {
  constexpr std::string_view where = "vernier::cuda::repack_panel";
  const WeightView shape = out.view();
  expect(shape.format == w.format() && shape.k == w.k(), where, to_string(w.format()), " of k = ", w.k(), " into ", to_string(shape.format),
         " of k = ", shape.k);
  expect(panel >= 0 && panel < w.panel().panels(), where, "panel ", panel, " of ", w.panel().panels());
  const int last = first_tile + (ceil_div(w.n(), MmaTile::rows) - 1) * tile_step;
  expect(first_tile >= 0 && tile_step >= 1 && last < shape.tile().row_tiles(), where, "tile ", last, " of ", shape.tile().row_tiles());
  visit_precision(w.format().precision, [&]<Precision P>() { detail::repack_panel<P>(w, panel, out, first_tile, tile_step); });
}

/// The matrices under each other, in the order in which CUDA kernels stream them: one product for what shares its input, such as queries,
/// keys and values. All have one k and one format, and all but the last whole tiles of 16 rows. Throws Error where that is not so.
inline PackedWeights repack_mma(std::initializer_list<const PackedMatrix*> parts) {
  constexpr std::string_view where = "vernier::cuda::repack_mma";
  expect(parts.size() != 0, where, "no matrix");
  int n = 0;
  for (const PackedMatrix* w : parts) {
    detail::expect_alike(**parts.begin(), *w, where);
    expect(n % MmaTile::rows == 0, where, "a matrix begins at row ", n, ", expected a multiple of ", MmaTile::rows);
    n += w->n();
  }
  PackedWeights out(n, (*parts.begin())->k(), (*parts.begin())->format());
  int first = 0;
  for (const PackedMatrix* w : parts) {
    for (int panel = 0; panel < w->panel().panels(); ++panel) repack_panel(*w, panel, out, first / MmaTile::rows);
    first += w->n();
  }
  return out;
}
/// One matrix.
inline PackedWeights repack_mma(const PackedMatrix& w) { return repack_mma({&w}); }

/// A gate and what it gates as one matrix, for an epilogue that takes both sums of a feature (gemm/gated.cuh). Both are (n, k) in one
/// format; n is a multiple of 16. Throws Error where that is not so.
inline PackedWeights repack_mma_gated(const PackedMatrix& gate, const PackedMatrix& up) {
  constexpr std::string_view where = "vernier::cuda::repack_mma_gated";
  detail::expect_alike(gate, up, where);
  expect(gate.n() == up.n() && gate.n() % MmaTile::rows == 0, where, "the gate has ", gate.n(), " rows, the other ", up.n(),
         "; expected as many, and a multiple of ", MmaTile::rows);
  PackedWeights out(2 * gate.n(), gate.k(), gate.format(), true);
  for (int panel = 0; panel < gate.panel().panels(); ++panel) {
    repack_panel(gate, panel, out, 0, 2);
    repack_panel(up, panel, out, 1, 2);
  }
  return out;
}

}  // namespace vernier::cuda
