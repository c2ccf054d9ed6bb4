// Epilogues of CUDA products that are more than a function of one sum: gated units, whose gate is another sum of the same product or lies
// in memory, and results in 8 bits.
#pragma once

#include <cmath>
#include <concepts>

#include "vernier/core/matrix_view.hpp"
#include "vernier/cuda/isa.cuh"
#include "vernier/policy/epilogue.hpp"

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

/// x in units of a scale that was known before, for results of i8 or e4m3: the last epilogue of a product whose results the next one
/// multiplies. Codes round to nearest even and saturate, as those of quantize_rows do.
struct InUnits {
  float inverse_scale = 1;
  float* scales = nullptr;  // (m), of the next product's activations; the caller has filled them. NaN for a token with NaN or infinity,
                            // which codes cannot say
  __device__ __forceinline__ float operator()(float x, int row, int) const {
    if (!(x - x == 0)) atomicExch(&scales[row], NAN);  // several threads may find one
    return x * inverse_scale;
  }
};

/// second(gated(gate, up)): for example GatedThen<SwiGlu, InUnits>.
template <class Gated, Epilogue Second>
struct GatedThen {
  Gated gated;
  Second second;
  __device__ __forceinline__ float operator()(float gate, float up, int row, int col) const {
    return second(gated(gate, up, row, col), row, col);
  }
};

}  // namespace vernier::cuda
