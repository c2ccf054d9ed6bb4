// The result of attention in the format in which the product behind it wants its operand.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vernier/cuda/isa.cuh"
#include "vernier/cuda/vector.cuh"
#include "vernier/types/precision.hpp"

namespace vernier::cuda {

/// A row-major matrix of f32, f16 or bf16 in device memory, rows 16-byte aligned.
struct AttentionOutput {
  void* data = nullptr;
  std::ptrdiff_t stride = 0;  // elements
  Precision precision = Precision::f32;
  int rows = 0, cols = 0;

  /// Writes N elements, two or four, from a multiple of N on.
  template <int N>
  __device__ __forceinline__ void store(int row, int col, const Vector<float, N>& x) const {
    const std::ptrdiff_t at = row * stride + col;
    if (precision == Precision::f32) return store_vector(static_cast<float*>(data) + at, x);
    Vector<std::uint32_t, N / 2> pairs;
#pragma unroll
    for (int i = 0; i < N / 2; ++i)
      pairs.at[i] = precision == Precision::f16 ? cvt_f16x2(x.at[2 * i], x.at[2 * i + 1]) : cvt_bf16x2(x.at[2 * i], x.at[2 * i + 1]);
    *reinterpret_cast<Vector<std::uint32_t, N / 2>*>(static_cast<std::uint16_t*>(data) + at) = pairs;
  }
};

}  // namespace vernier::cuda
