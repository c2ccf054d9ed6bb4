// Epilogues of CUDA products that are more than a function of one sum: gated units, whose gate is another sum of the same product or lies
// in memory.
#pragma once

#include <concepts>

#include "vernier/core/matrix_view.hpp"
#include "vernier/cuda/isa.cuh"

namespace vernier::cuda {

/// e(gate, up, row, col) maps the two sums of a feature of a gated matrix (repack_mma_gated()) to what is stored.
template <class E>
concept GatedEpilogue = requires(const E e, float x, int row, int col) {
  { e(x, x, row, col) } -> std::convertible_to<float>;
};

/// x / (1 + e^-x). e^-x to within 2 units in the last place (ex2.approx) and three roundings; below -88 it is 0. NaN stays NaN.
__device__ __forceinline__ float silu(float x) {
  constexpr float log2_e = 1.44269504f;
  return x / (1.0f + ex2_approx(-x * log2_e));
}

/// silu(gate) * up, both sums of one product.
struct SwiGlu {
  __device__ __forceinline__ float operator()(float gate, float up, int, int) const { return silu(gate) * up; }
};

/// silu(gate(row, col)) * x, where the gate was computed before. It may be y itself.
struct GatedBy {
  MatrixView<const float> gate;  // (m, n)
  __device__ __forceinline__ float operator()(float x, int row, int col) const { return silu(gate(row, col)) * x; }
};

}  // namespace vernier::cuda
