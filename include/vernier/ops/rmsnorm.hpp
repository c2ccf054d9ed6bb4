// RMS norm of rows: y = x / sqrt(mean(x^2) + epsilon) * weight; alone, after a residual addition, and per head. See
// ops/reference.hpp for the definition in double.
#pragma once

#include <cmath>

#include "vernier/ops/rows.hpp"

namespace vernier::ops {

namespace detail {

/// Chains of the sum of squares. Element i goes to chain i % 16, and the chains are added pairwise at the end: an order that
/// depends on the length alone, fills the widest vector and rounds n / 16 + 4 times instead of n.
inline constexpr int norm_lanes = 16;

inline float sum_of_squares(const float* x, int n) {
  float lanes[norm_lanes] = {};
  int i = 0;
  for (; i + norm_lanes <= n; i += norm_lanes)
    for (int j = 0; j < norm_lanes; ++j) lanes[j] += x[i + j] * x[i + j];
  for (int j = 0; i + j < n; ++j) lanes[j] += x[i + j] * x[i + j];
  for (int width = norm_lanes / 2; width > 0; width /= 2)
    for (int j = 0; j < width; ++j) lanes[j] += lanes[j + width];
  return lanes[0];
}

/// x and y may be the same row.
inline void rms_norm_row(const float* x, const float* weight, float epsilon, int n, float* y) {
  const float scale = 1.0f / std::sqrt(sum_of_squares(x, n) / static_cast<float>(n) + epsilon);
  for (int i = 0; i < n; ++i) y[i] = x[i] * scale * weight[i];
}

inline void expect_norm(std::string_view where, int cols, const float* weight, float epsilon) {
  expect(cols > 0 && weight != nullptr, where, "cols = ", cols, ", expected positive, with a weight for each");
  expect(epsilon >= 0 && std::isfinite(epsilon), where, "epsilon = ", epsilon, ", expected finite and not negative");
}

}  // namespace detail

/// y = rms_norm(x) * weight, row by row. x, y: (t, n), may be the same memory. weight: (n).
/// Throws Error when shapes differ or epsilon is negative or not finite. A row's result depends on that row alone.
inline void rms_norm(MatrixView<const float> x, const float* weight, float epsilon, MatrixView<float> y, cpu::ThreadPool* pool = nullptr) {
  detail::expect_same_shape("vernier::ops::rms_norm", x, y);
  detail::expect_norm("vernier::ops::rms_norm", x.cols, weight, epsilon);
  detail::for_rows(pool, x.rows, x.cols, [&](int row) { detail::rms_norm_row(x.row(row), weight, epsilon, x.cols, y.row(row)); });
}

/// residual += delta, then y = rms_norm(residual) * weight, in one pass over each row. All (t, n); weight: (n).
/// Throws Error as rms_norm does.
inline void add_rms_norm(MatrixView<float> residual, MatrixView<const float> delta, const float* weight, float epsilon, MatrixView<float> y,
                         cpu::ThreadPool* pool = nullptr) {
  detail::expect_same_shape("vernier::ops::add_rms_norm", residual, delta);
  detail::expect_same_shape("vernier::ops::add_rms_norm", residual, y);
  detail::expect_norm("vernier::ops::add_rms_norm", residual.cols, weight, epsilon);
  detail::for_rows(pool, residual.rows, residual.cols, [&](int row) {
    float* sum = residual.row(row);
    const float* add = delta.row(row);
    for (int i = 0; i < residual.cols; ++i) sum[i] += add[i];
    detail::rms_norm_row(sum, weight, epsilon, residual.cols, y.row(row));
  });
}

/// Norm of each head by itself, in place, as Qwen3 does to queries and keys before the rotation. x: (t, heads * head_dim);
/// weight: (head_dim), shared by all heads. Throws Error unless x.cols is a multiple of head_dim.
inline void rms_norm_heads(MatrixView<float> x, int head_dim, const float* weight, float epsilon, cpu::ThreadPool* pool = nullptr) {
  detail::expect_norm("vernier::ops::rms_norm_heads", head_dim, weight, epsilon);
  expect(x.cols % head_dim == 0, "vernier::ops::rms_norm_heads", "cols = ", x.cols, " is not a multiple of head_dim = ", head_dim);
  detail::for_rows(pool, x.rows, x.cols, [&](int row) {
    for (int at = 0; at < x.cols; at += head_dim) detail::rms_norm_row(x.row(row) + at, weight, epsilon, head_dim, x.row(row) + at);
  });
}

}  // namespace vernier::ops
