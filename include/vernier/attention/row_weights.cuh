// The softmax of a warp's 16 rows, 32 keys at a time, and how states of splits come together. The sums of values that these weights are
// for are somebody else's: warp_tile.cuh and merge_sm80.cuh.
#pragma once

#include <cmath>
#include <cstdint>

#include "vernier/attention/online_softmax.hpp"
#include "vernier/cuda/isa.cuh"
#include "vernier/cuda/vector.cuh"

namespace vernier::cuda {

/// Adds `other` to `total` with the bits that every kernel gets. Returns what both accumulators are multiplied by, which a fused
/// multiply-add then adds: total * mine first.
struct MergeFactors {
  float mine, theirs;
};
__device__ __forceinline__ MergeFactors merge_states(OnlineSoftmax& total, const OnlineSoftmax& other) {
  const OnlineSoftmax::Shift shift = total.take_max(other);
  const float power = ex2_approx(shift.exponent), mine = shift.mine(power), theirs = shift.theirs(power);
  total.sum = fmaf(other.sum, theirs, __fmul_rn(total.sum, mine));
  return {mine, theirs};
}

/// Numbers of 16 rows and 32 keys, as the results of mma lie: s[j][e] is of row g + e / 2 * 8 and key 8j + 2t + e % 2.
using StepScores = float[4][4];

/// Multiplies the columns by the numbers at `factors`, one for each of the 32 keys, times `unit`.
__device__ __forceinline__ void multiply_columns(StepScores& s, const unsigned char* factors, float unit) {
  const int t = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const auto f = load_vector<float, 2>(reinterpret_cast<const float*>(factors) + 8 * j + 2 * t);
#pragma unroll
    for (int e = 0; e < 4; ++e) s[j][e] = __fmul_rn(s[j][e], unit == 1.0f ? f.at[e % 2] : __fmul_rn(f.at[e % 2], unit));
  }
}

/// The state of a split for the lane's two rows. Scaled: values have scales, which weights take with them.
template <bool Scaled>
class RowWeights {
 public:
  /// Scores become weights of values, 2^(score - maximum), and with `scales` of values for f16. A NaN score has a NaN weight. Sets what the
  /// sums of values so far are to be multiplied by. seen: bit 4j + e says whether the row sees the key of s[j][e].
  __device__ __forceinline__ void weigh(StepScores& s, const unsigned char* scales, std::uint32_t seen, float (&factor)[2]) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float max = fmaxf(state_[r].max, row_max(s, r)), base = max == OnlineSoftmax::no_key ? 0.0f : max;
      factor[r] = state_[r].max == OnlineSoftmax::no_key ? 1.0f : ex2_approx(__fsub_rn(state_[r].max, base));
      float sum = 0;
#pragma unroll
      for (int j = 0; j < 4; ++j)
#pragma unroll
        for (int e = 2 * r; e < 2 * r + 2; ++e) sum += s[j][e] = ex2_approx(__fsub_rn(s[j][e], base));
      state_[r].sum = fmaf(state_[r].sum, factor[r], sum);
      state_[r].max = max;
    }
    if constexpr (Scaled) take_scales(s, scales, seen, factor);
  }

  /// Ends the split: adds up what four lanes have summed of a row.
  __device__ __forceinline__ void add_lanes() {
#pragma unroll
    for (int r = 0; r < 2; ++r)
#pragma unroll
      for (int lanes = 1; lanes <= 2; lanes *= 2) state_[r].sum += __shfl_xor_sync(0xffffffffu, state_[r].sum, lanes);
  }

  __device__ __forceinline__ const OnlineSoftmax& state(int r) const { return state_[r]; }
  /// Of the sums of values.
  __device__ __forceinline__ float unit(int r) const { return unit_[r]; }

 private:
  static constexpr float least_unit = 0x1p-126f;

  /// The largest of the lane's eight numbers of row r and of those of the three lanes that have the others. Passes over NaN.
  __device__ __forceinline__ static float row_max(const StepScores& s, int r) {
    float largest = fmaxf(s[0][2 * r], s[0][2 * r + 1]);
#pragma unroll
    for (int j = 1; j < 4; ++j) largest = fmaxf(largest, fmaxf(s[j][2 * r], s[j][2 * r + 1]));
#pragma unroll
    for (int lanes = 1; lanes <= 2; lanes *= 2) largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, lanes));
    return largest;
  }

  /// Multiplies weights by the scales of their values. As f16 holds no small numbers, they are kept in units of a power of two that is near
  /// the largest of the row so far; what is summed changes its unit with it.
  __device__ __forceinline__ void take_scales(StepScores& s, const unsigned char* scales, std::uint32_t seen, float (&factor)[2]) {
    multiply_columns(s, scales, 1.0f);
#pragma unroll
    for (int i = 0; i < 16; ++i)  // what nobody wrote may be NaN
      s[i / 4][i % 4] = (seen >> i & 1u) != 0 ? s[i / 4][i % 4] : 0.0f;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      largest_[r] = fmaxf(__fmul_rn(largest_[r], factor[r]), row_max(s, r));
      const std::uint32_t exponent = __float_as_uint(largest_[r]) & 0x7f800000u, least = 1u << 23, most = 253u << 23;
      const std::uint32_t unit = exponent < least ? least : exponent > most ? most : exponent;
      const float inverse = __uint_as_float((254u << 23) - unit);
      factor[r] = __fmul_rn(__fmul_rn(factor[r], unit_[r]), inverse);  // in this order neither is too large
      unit_[r] = __uint_as_float(unit);
#pragma unroll
      for (int j = 0; j < 4; ++j)
#pragma unroll
        for (int e = 2 * r; e < 2 * r + 2; ++e) s[j][e] = __fmul_rn(s[j][e], inverse);
    }
  }

  OnlineSoftmax state_[2];
  float largest_[2] = {}, unit_[2] = {least_unit, least_unit};
};

}  // namespace vernier::cuda
