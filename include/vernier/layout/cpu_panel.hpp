// Where a weight lies in the order in which the CPU kernels stream it. This is the only place that knows: quantisers, kernels and
// tests all ask here. Not a container; see packed_matrix.hpp for the storage.
#pragma once

#include <cstddef>

#include "vernier/core/macros.hpp"
#include "vernier/core/math.hpp"
#include "vernier/types/precision.hpp"

namespace vernier {

/// Columns of a row of f16 or bf16 weights whose largest exponent is kept beside the codes, one byte for their 128: what integer multiplies
/// must know before they read the first of them.
inline constexpr int exponent_group = 64;

/// The panel order of a weight matrix (n rows, k columns) of one precision.
///
/// Rows are cut into panels of 32, and a panel is stored contiguously, so that a thread that owns a range of panels reads one
/// sequential stream. Inside a panel the columns advance in steps of `pack`; a step holds, for each of the 32 rows in turn, `pack`
/// consecutive columns. 32 rows are two AVX-512 or four AVX2 vectors of float accumulators: two independent chains per token, enough to
/// hide the latency of a multiply-add without splitting the sum over k, whose order is therefore the same in every kernel.
///
/// `pack` is what one 32-bit lane of the multiply takes: 4 bytes for VNNI, 2 bfloats for BF16, otherwise 1. FP8 packs 2
/// columns so that a 16-bit lane holds two codes, each of which a shift turns into an f16. NF4 packs 8 columns into the
/// 4 bytes of a lane: byte j holds column j in its low and column j + 4 in its high nibble, so that masking yields two VNNI operands.
struct CpuPanel {
  static constexpr int rows = 32;

  Precision precision = Precision::f16;
  int n = 0;  // rows of the matrix, before padding
  int k = 0;  // columns, before padding

  /// Columns per step.
  VERNIER_HD static constexpr int pack(Precision p) {
    switch (p) {
      case Precision::f32:
      case Precision::f16: return 1;
      case Precision::bf16:
      case Precision::e4m3:
      case Precision::e5m2: return 2;
      case Precision::i8: return 4;
      case Precision::nf4: return 8;
    }
    return 1;
  }

  VERNIER_HD constexpr int panels() const { return ceil_div(n, rows); }
  VERNIER_HD constexpr int padded_k() const { return round_up(k, pack(precision)); }
  VERNIER_HD constexpr int steps() const { return padded_k() / pack(precision); }
  VERNIER_HD constexpr std::size_t step_bytes() const {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(pack(precision) * bits(precision) / 8);
  }
  VERNIER_HD constexpr std::size_t panel_bytes() const { return static_cast<std::size_t>(steps()) * step_bytes(); }
  VERNIER_HD constexpr std::size_t total_bytes() const { return static_cast<std::size_t>(panels()) * panel_bytes(); }

  /// The byte in which the code of (row, col) starts, counted from the start of the matrix. For nf4 see also high_nibble().
  VERNIER_HD constexpr std::size_t byte_offset(int row, int col) const {
    const int width = pack(precision), lane = row % rows, in_lane = col % width;
    const std::size_t step = static_cast<std::size_t>(row / rows) * panel_bytes() + static_cast<std::size_t>(col / width) * step_bytes();
    const int lane_bytes = width * bits(precision) / 8;
    const int byte = precision == Precision::nf4 ? in_lane % 4 : in_lane * bits(precision) / 8;
    return step + static_cast<std::size_t>(lane * lane_bytes + byte);
  }

  /// Whether an nf4 code lies in the upper half of its byte.
  VERNIER_HD static constexpr bool high_nibble(int col) { return col % 8 >= 4; }
};

}  // namespace vernier
