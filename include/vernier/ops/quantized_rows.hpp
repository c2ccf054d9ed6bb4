// Activations that were rounded to 8 bits with a scale for each token: what GEMMs of int8 and fp8 operands read. Made by cuda::rms_norm,
// cuda::swiglu and cuda::quantize_rows.
#pragma once

#include <type_traits>

#include "vernier/core/matrix_view.hpp"
#include "vernier/types/fp8.hpp"
#include "vernier/types/int8.hpp"

namespace vernier {

/// Does not own. T is i8 or e4m3; codes may be constant.
template <class T>
struct QuantizedRows {
  static_assert(std::is_same_v<std::remove_const_t<T>, i8> || std::is_same_v<std::remove_const_t<T>, e4m3>,
                "vernier::QuantizedRows: activations are quantised to i8 or e4m3");
  using Scale = std::conditional_t<std::is_const_v<T>, const float, float>;
  MatrixView<T> codes;      // (t, n)
  Scale* scales = nullptr;  // (t): the value of a code of 1, absmax / 127 or absmax / 448; NaN for a row with NaN or infinity
};

}  // namespace vernier
