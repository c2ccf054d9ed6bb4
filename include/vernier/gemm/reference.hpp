// The definition of correct: y = x * W^T in double, one loop nest. For tests; nothing else should call it.
#pragma once

#include <cstdint>
#include <cstring>

#include "vernier/core/matrix_view.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/fp8.hpp"
#include "vernier/types/int8.hpp"
#include "vernier/types/nf4.hpp"

namespace vernier::reference {

/// The value of W(row, col), scale included, without rounding.
inline double weight(const PackedView& w, int row, int col) {
  const std::uint8_t* at = w.codes + w.panel().byte_offset(row, col);
  const double scale = w.scale(row, col);
  std::uint16_t half = at[0];
  if (bits(w.format.precision) == 16) std::memcpy(&half, at, 2);
  switch (w.format.precision) {
    case Precision::f32: {
      float value = 0;
      std::memcpy(&value, at, 4);
      return scale * static_cast<double>(value);
    }
    case Precision::f16: return scale * static_cast<double>(f16{half}.decode());
    case Precision::bf16: return scale * static_cast<double>(bf16{half}.decode());
    case Precision::i8: return scale * static_cast<double>(static_cast<std::int8_t>(at[0]));
    case Precision::e4m3: return scale * static_cast<double>(e4m3{at[0]}.decode());
    case Precision::e5m2: return scale * static_cast<double>(e5m2{at[0]}.decode());
    case Precision::nf4: {
      const int code = CpuPanel::high_nibble(col) ? at[0] >> 4 : at[0] & 15;
      return scale * static_cast<double>(nf4{static_cast<std::uint8_t>(code)}.decode());
    }
  }
  return 0;
}

/// y = x * W^T. x: (m, k), y: (m, n), both row-major. Shapes are the caller's promise.
inline void gemm(MatrixView<const float> x, const PackedView& w, MatrixView<double> y) {
  for (int row = 0; row < w.n; ++row) {
    for (int token = 0; token < x.rows; ++token) y(token, row) = 0;
    for (int col = 0; col < w.k; ++col) {
      const double value = weight(w, row, col);
      for (int token = 0; token < x.rows; ++token) y(token, row) += static_cast<double>(x(token, col)) * value;
    }
  }
}

}  // namespace vernier::reference
