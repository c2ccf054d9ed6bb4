// Codes between row-major order, one code an element, and the panel order of PackedMatrix. Exact both ways; knows nothing of scales.
// The order itself is defined by CpuPanel.
#pragma once

#include <algorithm>
#include <cstddef>

#include "vernier/core/error.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/quant/code_tile.hpp"
#include "vernier/quant/pack_panel.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier {

/// Writes rows [first_row, first_row + codes.rows) of `out` from row-major codes, one code per element (nf4: its low four bits), with zero
/// codes in the padding. Scales are not touched. Throws Error when P is not the precision of `out`, or the rows are not whole panels of it.
template <Precision P>
void pack_codes(PackedMatrix& out, int first_row, MatrixView<const CodeOf<P>> codes) {
  const CpuPanel panel = out.panel();
  expect(P == panel.precision, "vernier::pack_codes", "codes of ", name(P), " into a matrix of ", name(panel.precision));
  expect_panel_rows("vernier::pack_codes", out, first_row, codes.rows, codes.cols);
  using Values = MatrixView<const TypeOf<P>>;
  const auto encode = detail::encode_pass<P, Values>(cpu::selected_isa());
  for (int row = 0; row < codes.rows; row += CpuPanel::rows) {
    const MatrixView<const CodeOf<P>> rows = codes.slice_rows(row, std::min(CpuPanel::rows, codes.rows - row));
    encode({out, first_row + row, Values(reinterpret_cast<const TypeOf<P>*>(rows.data), rows.rows, rows.cols, rows.stride)});
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
