// RMS norm on a CUDA device: alone, after a residual addition, and per head. Entries; the kernels are row_block.cuh and norm_heads.cuh, the
// definition in double is ops/reference.hpp. A row's result does not depend on the other rows.
#pragma once

#include <cmath>
#include <cstdint>

#include "vernier/ops/launch_rows.cuh"
#include "vernier/ops/norm_heads.cuh"

namespace vernier::cuda {

namespace detail {

inline void expect_norm(std::string_view where, const float* weight, float epsilon) {
  expect(weight != nullptr && reinterpret_cast<std::uintptr_t>(weight) % 16 == 0, where, "the weight must be there, and 16-byte aligned");
  expect(epsilon >= 0 && std::isfinite(epsilon), where, "epsilon = ", epsilon, ", expected finite and not negative");
}

template <class A, class T>
void expect_output(std::string_view where, const MatrixView<A>& in, const MatrixView<T>& out) {
  expect_same_shape(where, in, out);
  expect_chunks(where, "the output", out);
}
template <class A, class T>
void expect_output(std::string_view where, const MatrixView<A>& in, const QuantizedRows<T>& out) {
  expect_output(where, in, out.codes);
  expect(out.scales != nullptr, where, "a quantised output needs scales, one for each row");
}

}  // namespace detail

/// out = rms_norm(x) * weight, row by row. x: (t, n) float or 16-bit; weight: (n); out: (t, n) float, f16 or bf16, or QuantizedRows of i8
/// or e4m3, and may be x itself. All in the device's memory and 16-byte aligned, codes 8-byte; they must outlive the stream's work. Throws
/// Error, and launches nothing, when shapes differ, n is not a multiple of 8 or above 32768, or epsilon is negative or not finite.
template <Arch A = Arch::sm80, RowElement T, class Out>
void rms_norm(const MatrixView<const T>& x, const float* weight, float epsilon, const Out& out, Stream stream = {}) {
  constexpr std::string_view where = "vernier::cuda::rms_norm";
  detail::expect_chunks(where, "x", x);
  detail::expect_output(where, x, out);
  detail::expect_norm(where, weight, epsilon);
  detail::launch_row_blocks<A, true>(where, x.rows, RowArgs<Rows<T>, Out>{{x}, {weight, epsilon}, out}, stream);
}

/// residual += delta, then out = rms_norm(residual) * weight, in one pass. residual, delta: (t, n) float. Otherwise as rms_norm.
template <Arch A = Arch::sm80, class Out>
void add_rms_norm(const MatrixView<float>& residual, const MatrixView<const float>& delta, const float* weight, float epsilon,
                  const Out& out, Stream stream = {}) {
  constexpr std::string_view where = "vernier::cuda::add_rms_norm";
  detail::expect_same_shape(where, residual, delta);
  detail::expect_chunks(where, "the residual", residual);
  detail::expect_chunks(where, "delta", delta);
  detail::expect_output(where, residual, out);
  detail::expect_norm(where, weight, epsilon);
  detail::launch_row_blocks<A, true>(where, residual.rows, RowArgs<AddedRows, Out>{{residual, delta}, {weight, epsilon}, out}, stream);
}

/// Norm of each head by itself, in place. x: (t, heads * head_dim) float, rows 16-byte aligned; weight: (head_dim), shared by all heads.
/// Throws Error unless head_dim is a multiple of 4 up to 256 and x.cols one of head_dim.
template <Arch A = Arch::sm80>
void rms_norm_heads(const MatrixView<float>& x, int head_dim, const float* weight, float epsilon, Stream stream = {}) {
  constexpr std::string_view where = "vernier::cuda::rms_norm_heads";
  using B = NormHeads<A>;
  expect(head_dim > 0 && head_dim % 4 == 0 && head_dim <= B::most_head_dim, where, "head_dim = ", head_dim,
         ", expected a multiple of 4 up to ", B::most_head_dim);
  expect(x.cols > 0 && x.cols % head_dim == 0, where, "cols = ", x.cols, " is not a multiple of head_dim = ", head_dim);
  expect(reinterpret_cast<std::uintptr_t>(x.data) % 16 == 0 && x.stride % 4 == 0, where,
         "rows of x must begin at multiples of 16 bytes; its stride is ", x.stride, " elements");
  detail::expect_norm(where, weight, epsilon);
  if (x.rows == 0) return;
  const std::int64_t heads = static_cast<std::int64_t>(x.rows) * (x.cols / head_dim);
  expect(heads < (std::int64_t{1} << 31), where, heads, " heads, expected less than 2^31");
  launch<B>(Grid{static_cast<unsigned>(ceil_div(heads, std::int64_t{B::heads}))}, {x, weight, epsilon, head_dim}, stream);
}

}  // namespace vernier::cuda
