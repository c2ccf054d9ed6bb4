// What a GEMM does with each finished sum before it is stored. Plain functors: compose them, or write one beside your model.
#pragma once

#include <concepts>

#include "vernier/core/macros.hpp"
#include "vernier/core/matrix_view.hpp"

namespace vernier {

/// e(x, row, col, n, out) maps the n sums x of y(row, col) and the columns behind it to what is stored, out. For those that bring vectors
/// of their own; an element must not depend on where a run of columns begins.
template <class E>
concept RowEpilogue = requires(const E e, const float* x, int row, int col, int n, float* out) {
  e(x, row, col, n, out);
};

/// e(x, row, col) maps the sum of y(row, col) to what is stored: row is the token, col the output feature.
/// It is called exactly once for each element, from whichever thread owns the column.
template <class E>
concept Epilogue = RowEpilogue<E> || requires(const E e, float x, int row, int col) {
  { e(x, row, col) } -> std::convertible_to<float>;
};

/// Stores the sum.
struct Identity {
  VERNIER_HD constexpr float operator()(float x, int, int) const { return x; }
};

/// x + bias[col].
struct AddBias {
  const float* bias = nullptr;  // (n)
  VERNIER_HD constexpr float operator()(float x, int, int col) const { return x + bias[col]; }
};

/// x + residual(row, col). The residual may be y itself: each element is read before it is written.
struct AddResidual {
  MatrixView<const float> residual;  // (m, n)
  VERNIER_HD constexpr float operator()(float x, int row, int col) const { return x + residual(row, col); }
};

/// second(first(x)): for example Then<AddBias, AddResidual>.
template <Epilogue First, Epilogue Second>
struct Then {
  First first;
  Second second;
  VERNIER_HD constexpr float operator()(float x, int row, int col) const { return second(first(x, row, col), row, col); }
};

}  // namespace vernier
