// A row-major matrix that somebody else owns. C++20 has no mdspan; two dimensions and a row stride are all that the library needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "vernier/core/macros.hpp"

namespace vernier {

/// A view of (rows, cols) elements; row i starts at data + i * stride. Does not own; copying is cheap.
template <class T>
struct MatrixView {
  T* data = nullptr;
  int rows = 0;
  int cols = 0;
  std::ptrdiff_t stride = 0;  // in elements, >= cols

  constexpr MatrixView() = default;
  VERNIER_HD constexpr MatrixView(T* data_, int rows_, int cols_) : MatrixView(data_, rows_, cols_, cols_) {}
  VERNIER_HD constexpr MatrixView(T* data_, int rows_, int cols_, std::ptrdiff_t stride_)
      : data(data_), rows(rows_), cols(cols_), stride(stride_) {}

  /// A view of mutable elements is also a view of constant ones.
  template <class U>
  requires std::is_same_v<T, const U> VERNIER_HD constexpr MatrixView(const MatrixView<U>& other)
      : data(other.data), rows(other.rows), cols(other.cols), stride(other.stride) {}

  VERNIER_HD constexpr T* row(int i) const { return data + static_cast<std::ptrdiff_t>(i) * stride; }
  VERNIER_HD constexpr T& operator()(int i, int j) const { return row(i)[j]; }

  /// Rows [first, first + count).
  VERNIER_HD constexpr MatrixView slice_rows(int first, int count) const { return {row(first), count, cols, stride}; }
  /// Columns [first, first + count).
  VERNIER_HD constexpr MatrixView slice_cols(int first, int count) const { return {data + first, rows, count, stride}; }
};

}  // namespace vernier
