// The scales of a matrix that is being quantised: absmax over the weights that share one, and from it the scale of the format.
// Also where values that no code can hold are found and refused. Used by quantize.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/quant/pack_scalar.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier {

/// The scale that goes with an absolute maximum. Codes encode x * inverse_scale(); nf4 keeps the absmax itself. Zero for weights that are
/// all zero; 1 for formats without scales. Never a subnormal number: those have too few digits to divide by, and vanish where a processor
/// flushes them.
template <Precision P>
constexpr float scale_of(float absmax) {
  if constexpr (P == Precision::nf4)
    return absmax;
  else if constexpr (bits(P) == 16)
    return 1.0f;
  else
    return absmax == 0.0f ? 0.0f : std::max(absmax / TypeOf<P>::max, std::numeric_limits<float>::min());
}

/// A short last nf4 block has at least this absmax, even if it is all zero; a whole one divides by at least this. As in bitsandbytes.
inline constexpr float nf4_least_absmax = 1e-38f;

/// What a whole nf4 block is multiplied by before its codes are looked up: one division a block, as in bitsandbytes.
constexpr float nf4_inverse(float absmax) { return 1.0f / std::max(absmax, nf4_least_absmax); }

/// What weights are multiplied by before they are encoded; 1 for weights that are all zero.
constexpr float inverse_scale(float scale) { return scale == 0.0f ? 1.0f : 1.0f / scale; }

namespace detail {

inline constexpr std::uint32_t infinity_bits = 0x7f800000u;

/// The bits of the smallest magnitude that P cannot hold: what rounds to infinity in a format without scale, else infinity itself.
template <Precision P>
constexpr std::uint32_t refused_from() {
  if constexpr (P == Precision::f16)
    return float_bits(65520.0f);
  else if constexpr (P == Precision::bf16)
    return 0x7f7f8000u;
  else
    return infinity_bits;
}

/// Throws the error for the first value in row `row` that P cannot hold.
template <Precision P, class Row>
[[noreturn]] void refuse_row(Row x, int cols, int row) {
  int col = 0;
  while (col < cols - 1 && magnitude_bits(x[col]) < refused_from<P>()) ++col;
  const bool finite = magnitude_bits(x[col]) < infinity_bits;
  fail("vernier::quantize", "the weight at row ", row, ", column ", col, " is ", value_of(x[col]),
       finite ? ", too large for " : ", which is no number for ", name(P),
       finite ? "; store this tensor as bf16 or with a scaled format" : "; the checkpoint is damaged or its dtype was misread");
}

/// Turns the absmax of one panel into scales, in place. To be called once for each panel.
template <Precision P>
void finish_scales(PackedMatrix& out, int panel_index) {
  const std::size_t count = static_cast<std::size_t>(out.scale_groups() * CpuPanel::rows);
  float* scales = out.scales() + static_cast<std::size_t>(panel_index) * count;
  for (std::size_t i = 0; i < count; ++i) scales[i] = scale_of<P>(scales[i]);
}

/// Makes `rows` rows from first_row on share their absmax, per scale group: one 128-row band of blocks, or the whole tensor.
inline void share_absmax(PackedMatrix& out, int first_row, int rows) {
  const std::size_t stride = static_cast<std::size_t>(out.scale_groups()) * CpuPanel::rows;
  for (int group = 0; group < out.scale_groups(); ++group) {
    float most = 0;
    const auto at = [&](int row) -> float& {
      return out.scales()[static_cast<std::size_t>(row / CpuPanel::rows) * stride + static_cast<std::size_t>(group * CpuPanel::rows) +
                          static_cast<std::size_t>(row % CpuPanel::rows)];
    };
    for (int row = first_row; row < first_row + rows; ++row) most = std::max(most, at(row));
    for (int row = first_row; row < first_row + rows; ++row) at(row) = most;
  }
}

}  // namespace detail
}  // namespace vernier
