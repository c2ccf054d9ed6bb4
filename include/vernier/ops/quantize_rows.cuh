// Rounding activations on a CUDA device: to 8 bits with a scale for each token, which GEMMs of int8 and fp8 operands read, or to 16 bits.
// What is rounded to what is in docs/numerics.md.
#pragma once

#include "vernier/ops/rmsnorm.cuh"

namespace vernier::cuda {

/// out = x in int8 or e4m3, each token with its scale absmax / 127 or absmax / 448; codes are x / scale rounded to nearest even. A token
/// with NaN or infinity gets the scale NaN; where the scale would be subnormal, codes are zero. x: (t, n) float, f16 or bf16. Memory,
/// alignment and errors as for rms_norm.
template <Arch A = Arch::sm80, RowElement T, class Code>
void quantize_rows(const MatrixView<const T>& x, const QuantizedRows<Code>& out, Stream stream = {}) {
  constexpr std::string_view where = "vernier::cuda::quantize_rows";
  detail::expect_chunks(where, "x", x);
  detail::expect_output(where, x, out);
  detail::launch_row_blocks<A, false>(where, x.rows, RowArgs<Rows<T>, QuantizedRows<Code>>{{x}, {}, out}, stream);
}

/// out = x, rounded to nearest even where out is narrower. (t, n) of float, f16 or bf16 each.
template <Arch A = Arch::sm80, RowElement T, RowElement U>
void convert_rows(const MatrixView<const T>& x, const MatrixView<U>& out, Stream stream = {}) {
  constexpr std::string_view where = "vernier::cuda::convert_rows";
  detail::expect_chunks(where, "x", x);
  detail::expect_output(where, x, out);
  detail::launch_map<A>(where, Rows<T>{x}, out, stream);
}

}  // namespace vernier::cuda
