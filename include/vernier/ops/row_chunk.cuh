// Eight neighbouring elements of a row, in registers as floats: what a thread of the row-wise operations works on. In memory they are one
// access of 16 bytes in 16-bit formats, two in float, one of 8 bytes in 8-bit formats.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "vernier/core/error.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cuda/isa.cuh"
#include "vernier/cuda/vector.cuh"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"

namespace vernier::cuda {

inline constexpr int row_chunk = 8;

/// What rows of activations may be stored as.
template <class T>
concept RowElement = std::is_same_v<T, float> || std::is_same_v<T, f16> || std::is_same_v<T, bf16>;

template <RowElement T>
__device__ __forceinline__ void load_chunk(const T* p, float (&v)[row_chunk]) {
  constexpr int width = static_cast<int>(16 / sizeof(T));
#pragma unroll
  for (int first = 0; first < row_chunk; first += width) {
    const Vector<T, width> loaded = load_vector<T, width>(p + first);
#pragma unroll
    for (int i = 0; i < width; ++i) {
      if constexpr (std::is_same_v<T, float>)
        v[first + i] = loaded.at[i];
      else
        v[first + i] = loaded.at[i].decode();
    }
  }
}

/// Rounds to nearest even where T is narrower than float.
template <RowElement T>
__device__ __forceinline__ void store_chunk(T* p, const float (&v)[row_chunk]) {
  if constexpr (std::is_same_v<T, float>) {
    store_vector(p, Vector<float, 4>{{v[0], v[1], v[2], v[3]}});
    store_vector(p + 4, Vector<float, 4>{{v[4], v[5], v[6], v[7]}});
  } else {
    Vector<std::uint32_t, 4> pairs;
#pragma unroll
    for (int i = 0; i < 4; ++i)
      pairs.at[i] = std::is_same_v<T, f16> ? cvt_f16x2(v[2 * i], v[2 * i + 1]) : cvt_bf16x2(v[2 * i], v[2 * i + 1]);
    store_vector(reinterpret_cast<std::uint32_t*>(p), pairs);
  }
}

namespace detail {

/// Throws Error unless every chunk of every row can be moved at once.
template <class T>
void expect_chunks(std::string_view where, std::string_view what, const MatrixView<T>& x) {
  expect(x.cols > 0 && x.cols % row_chunk == 0, where, what, " has ", x.cols, " columns, expected a multiple of ", row_chunk);
  constexpr int bytes = sizeof(T) == 1 ? 8 : 16;  // of the largest access
  const bool aligned = reinterpret_cast<std::uintptr_t>(x.data) % bytes == 0 && x.stride * static_cast<int>(sizeof(T)) % bytes == 0;
  expect(x.rows == 0 || aligned, where, "rows of ", what, " must begin at multiples of ", bytes, " bytes; its stride is ", x.stride,
         " elements");
}

/// Throws Error unless both views have the same shape.
template <class A, class B>
void expect_same_shape(std::string_view where, const MatrixView<A>& a, const MatrixView<B>& b) {
  expect(a.rows == b.rows && a.cols == b.cols, where, "shapes (", a.rows, ", ", a.cols, ") and (", b.rows, ", ", b.cols,
         ") differ, expected equal");
}

}  // namespace detail
}  // namespace vernier::cuda
