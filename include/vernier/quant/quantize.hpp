// From float matrices to PackedMatrix and back: the quantiser of every format. The codes and scales that it writes are the definition of
// the format; kernels are tested against dequantize(). Blocks as bitsandbytes stores them are in nf4_blocks.hpp.
#pragma once

#include <algorithm>
#include <cstddef>

#include "vernier/core/error.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/quant/code_tile.hpp"
#include "vernier/quant/int8_blocks.hpp"
#include "vernier/quant/pack_panel.hpp"
#include "vernier/quant/scales.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier {

namespace detail {

/// f(first row, rows of that panel) for each panel of `rows`, in parallel if there is a pool.
template <class Rows, class F>
void for_panels(cpu::ThreadPool* pool, const Rows& rows, F&& f) {
  const auto one = [&](std::int64_t index) {
    const int row = static_cast<int>(index) * CpuPanel::rows;
    f(row, rows.slice_rows(row, std::min(CpuPanel::rows, rows.rows - row)));
  };
  const std::int64_t panels = ceil_div(rows.rows, CpuPanel::rows);
  if (pool != nullptr)
    pool->for_each(panels, one);
  else
    for (std::int64_t i = 0; i < panels; ++i) one(i);
}

/// Rows that share no scale with those of another panel. They are read twice, for the scales and for the codes, while they are still in the
/// cache; formats without scales once, since what they cannot hold shows in their exponents.
template <Precision P, class Rows>
void pack_panel(const PanelRows<Rows>& panel, cpu::Isa isa) {
  if constexpr (bits(P) == 16) {
    encode_pass<P, Rows>(isa)(panel);
    refuse_panel<P>(panel);
  } else {
    absmax_pass<P, Rows>(isa)(panel);
    finish_scales<P>(panel.out, panel.index());
    encode_pass<P, Rows>(isa)(panel);
  }
}

/// Where panels share scales, the second reading has to wait for all of the first.
template <Precision P, class Rows>
void quantize_rows(PackedMatrix& out, int first_row, const Rows& rows, cpu::ThreadPool* pool, cpu::Isa isa) {
  const auto for_all = [&](auto&& f) {
    for_panels(pool, rows, [&](int row, auto part) { f(PanelRows<Rows>{out, first_row + row, part}); });
  };
  const Scaling scaling = out.format().scaling;
  if (scaling != Scaling::tensor && scaling != Scaling::block) return for_all([&](const auto& panel) { pack_panel<P>(panel, isa); });
  if constexpr (bits(P) != 16) {
    for_all(absmax_pass<P, Rows>(isa));
    const int band = scaling == Scaling::tensor ? rows.rows : out.format().group;
    for (int row = 0; row < rows.rows; row += band) share_absmax(out, first_row + row, std::min(band, rows.rows - row));
    for_all([&](const auto& panel) {
      finish_scales<P>(panel.out, panel.index());
      encode_pass<P, Rows>(isa)(panel);
    });
  }
}

/// quantize_rows() for one type of rows.
template <class Rows>
void quantize_checked_rows(PackedMatrix& out, int first_row, const Rows& rows, cpu::ThreadPool* pool, cpu::Isa isa) {
  expect_panel_rows("vernier::quantize_rows", out, first_row, rows.rows, rows.cols);
  if (out.format().scaling == Scaling::tensor)
    expect(rows.rows == out.n(), "vernier::quantize_rows", rows.rows, " of ", out.n(), " rows; a scale per tensor needs all rows at once");
  if (out.format().scaling == Scaling::block) {
    const int band = out.format().group;
    expect(first_row % band == 0 && (rows.rows % band == 0 || first_row + rows.rows == out.n()), "vernier::quantize_rows", rows.rows,
           " rows from row ", first_row, " cut a block of ", band, " rows");
  }
  visit_precision(out.format().precision, [&]<Precision P>() { quantize_rows<P, Rows>(out, first_row, rows, pool, isa); });
}

/// Writes up to 32 rows in float; scales never change inside share_width columns.
template <Precision P>
void dequantize_panel(const PackedView& w, int first_row, MatrixView<float> out) {
  using Tile = CodeTile<P>;
  Tile tile;
  for_tiles<P>(w.panel(), first_row / CpuPanel::rows, [&](int col, int cols, std::size_t place, int steps) {
    tile.load(w.codes + place, steps);
    for (int i = 0; i < out.rows; ++i) {
      for (int part = 0; part < cols; part += share_width) {
        const float scale = w.scale(first_row + i, col + part);
        const int count = std::min(share_width, cols - part);
        for (int j = 0; j < count; ++j)
          out(i, col + part + j) = TypeOf<P>{static_cast<decltype(TypeOf<P>::bits)>(tile.codes[i][part + j])}.decode() * scale;
      }
    }
  });
}

}  // namespace detail

/// Quantises rows [first_row, first_row + rows.rows) of `out`, so that a loader can stream slices of a matrix and never hold it whole in
/// float. rows: (r, k) of float, f16 or bf16, the latter as if they were floats. Slices must be whole panels: first_row and r multiples of
/// 32 (of 128 for 128x128 blocks), except that the last slice may be short; a scale per tensor needs all rows at once. Different slices may
/// be written by different threads.
///
/// Scales are absmax / 127 for i8, absmax / 448 or 57344 for fp8, absmax for nf4 (see scale_of()); codes are x times 1 / scale rounded to
/// nearest, ties to even; nf4 as bitsandbytes does it. Weights that are all zero get zero codes and become zeros. The machine must have
/// `isa`; all of them give the same codes. Throws Error for rows that do not fit, and for a value that is not finite or overflows f16 or
/// bf16, with its row and column; `out` is then partly written.
inline void quantize_rows(PackedMatrix& out, int first_row, MatrixView<const float> rows, cpu::ThreadPool* pool = nullptr,
                          cpu::Isa isa = cpu::selected_isa()) {
  detail::quantize_checked_rows(out, first_row, rows, pool, isa);
}
inline void quantize_rows(PackedMatrix& out, int first_row, MatrixView<const f16> rows, cpu::ThreadPool* pool = nullptr,
                          cpu::Isa isa = cpu::selected_isa()) {
  detail::quantize_checked_rows(out, first_row, rows, pool, isa);
}
inline void quantize_rows(PackedMatrix& out, int first_row, MatrixView<const bf16> rows, cpu::ThreadPool* pool = nullptr,
                          cpu::Isa isa = cpu::selected_isa()) {
  detail::quantize_checked_rows(out, first_row, rows, pool, isa);
}

/// The same from blocks of integers, as if they were the floats that they stand for. rows.cols must be a multiple of 32.
inline void quantize_rows(PackedMatrix& out, int first_row, const Int8BlockRows& rows, cpu::ThreadPool* pool = nullptr,
                          cpu::Isa isa = cpu::selected_isa()) {
  expect(rows.cols % Int8BlockRows::block == 0, "vernier::quantize_rows", rows.cols, " columns in blocks of ", Int8BlockRows::block);
  detail::quantize_checked_rows(out, first_row, rows, pool, isa);
}

/// W (n, k) packed as `format`. See quantize_rows() for scales, rounding and errors; why_unsupported() lists the formats.
inline PackedMatrix quantize(MatrixView<const float> w, WeightFormat format, cpu::ThreadPool* pool = nullptr,
                             cpu::Isa isa = cpu::selected_isa()) {
  PackedMatrix out(w.rows, w.cols, format);
  quantize_rows(out, 0, w, pool, isa);
  return out;
}

/// out = code * scale for each weight, rounded once. out: (n, k). Throws Error when the shape differs.
inline void dequantize(const PackedView& w, MatrixView<float> out, cpu::ThreadPool* pool = nullptr) {
  expect(out.rows == w.n && out.cols == w.k, "vernier::dequantize", "a matrix of ", w.n, " x ", w.k, " into ", out.rows, " x ", out.cols);
  expect_packed("vernier::dequantize", w);
  visit_precision(w.format.precision, [&]<Precision P>() {
    detail::for_panels(pool, out, [&](int row, MatrixView<float> part) { detail::dequantize_panel<P>(w, row, part); });
  });
}

inline void dequantize(const PackedMatrix& w, MatrixView<float> out, cpu::ThreadPool* pool = nullptr) { dequantize(w.view(), out, pool); }

}  // namespace vernier
