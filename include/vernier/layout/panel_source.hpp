// Weights that are packed while they are multiplied: what a program that has just started computes with, before it has filled memory of
// the matrix's size.
#pragma once

#include <algorithm>

#include "vernier/layout/packed_matrix.hpp"

namespace vernier {

/// Makes the panels of one matrix W (n, k), over and over, from where its weights are stored. A PackedView that has one instead of codes
/// can be multiplied (cpu::gemm), to the same bits as the packed matrix; nothing else takes it.
class PanelSource {
 public:
  virtual ~PanelSource() = default;

  /// Throws Error where it has no memory for that many workers.
  virtual void expect_workers(int count) const = 0;

  /// Packs panel `index` of W into `out`, which has panel_rows() rows, k columns and W's format, and is then read by the caller alone. All
  /// workers of a pool may call at once; `worker` is the caller's number, for memory that the source has for each. What it throws leaves
  /// the GEMM that asked.
  virtual void make(int index, PackedMatrix& out, int worker) const = 0;
};

/// Whether a panel of such a matrix can be made from its own rows: rows of several panels do not share a scale.
constexpr bool panels_stand_alone(const WeightFormat& format) {
  return format.scaling != Scaling::block && format.scaling != Scaling::tensor;
}

/// Rows of panel `index` of W: 32, or what is left for the last.
constexpr int panel_rows(const PackedView& w, int index) { return std::min(CpuPanel::rows, w.n - index * CpuPanel::rows); }

}  // namespace vernier
