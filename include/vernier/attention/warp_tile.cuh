// Attention of one warp: 16 query rows against steps of 32 keys in shared memory, on tensor cores. What is done with a step is the same to
// the bit in every kernel, whoever else shares the keys; so are the cuts of the sum over keys. block_sm80.cuh brings keys and takes
// results.
#pragma once

#include <cstdint>

#include "vernier/attention/cuda_config.hpp"
#include "vernier/attention/decode_pairs.cuh"
#include "vernier/attention/not_finite.cuh"
#include "vernier/attention/row_weights.cuh"
#include "vernier/cuda/isa.cuh"
#include "vernier/cuda/vector.cuh"
#include "vernier/policy/mask.hpp"

namespace vernier::cuda {

/// Lane l has g = l / 4 and t = l % 4, as in the instructions, and rows g and g + 8: of arrays of two the first and the second.
///
/// Operations for 32 keys and head_dim = 128, by a warp: 64 products, 32 ldmatrix for 16-bit codes and 16 for 8-bit codes (each lane gives
/// the address of one key), some 120 for the softmax, and 448 to decode e4m3, 320 for i8, 128 for e5m2.
template <AttentionConfig C>
class WarpTile {
 public:
  static constexpr Precision P = C.precision;
  static constexpr bool wide = bits(P) == 16, scaled = has_kv_scale(P);
  static constexpr int dim = C.head_dim, tiles = dim / 8, chunks = C.row_chunks(), step_keys = attention_step_keys;
  /// Neighbours of a row in a lane, of the query and of the result.
  static constexpr int run = wide ? 2 : 4;

  /// The positions of the warp's first and last row, and of the lane's two.
  struct Rows {
    int first_position, last_position;
    int position[2];
  };

  __device__ WarpTile(const Rows& rows, const SlidingWindow& mask) : rows_(rows), mask_(mask) {}

  /// Takes the query of the lane's rows, multiplied by `scale`; (head_dim) each, null for a row that is none.
  __device__ __forceinline__ void load_queries(const float* const (&rows)[2], float scale) {
    const int t = lane() % 4;
#pragma unroll
    for (int k = 0; k < dim / 16; ++k)
#pragma unroll
      for (int r = 0; r < 2; ++r)
#pragma unroll
        for (int half = 0; half < 2; ++half) {  // elements 2t, 2t + 1 and 8 + 2t, 9 + 2t; of 8-bit codes 4t, 4t + 2 and 4t + 1, 4t + 3
          const int d = 16 * k + (wide ? 8 * half + 2 * t : 4 * t + half);
          float x[2] = {};
          if (rows[r] != nullptr) x[0] = rows[r][d], x[1] = rows[r][d + (wide ? 1 : 2)];
          q_[k][2 * half + r] = pair(__fmul_rn(x[0], scale), __fmul_rn(x[1], scale));
        }
  }

  /// Takes in the keys [key, key + 32), which lie in `stage`, as far as each row sees them. They come in ascending order.
  __device__ __forceinline__ void add_step(const unsigned char* stage, int key) {
    const int end = key + step_keys;
    if (key >= mask_.end_key(rows_.last_position) || end <= mask_.first_key(rows_.first_position)) return;  // none of the rows sees any
    const bool all = key >= mask_.first_key(rows_.last_position) && end <= mask_.end_key(rows_.first_position);
    StepScores s = {};
    multiply_keys(stage, s);
    if constexpr (scaled) multiply_columns(s, stage + 2 * C.tile_bytes(), code_unit<P>);
    std::uint32_t seen = 0xffffu;  // bit 4j + e: whether the row sees the key of s[j][e]
    if (!all) seen = mask(s, key);
    float factor[2];
    row_weights_.weigh(s, stage + 2 * C.tile_bytes() + 4 * step_keys, seen, factor);
    // Mostly the maximum stays: then there is nothing to do, for no row of the warp.
    if (__any_sync(0xffffffffu, factor[0] != 1.0f || factor[1] != 1.0f)) scale_accumulator(factor[0], factor[1]);
    std::uint32_t weights[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int e = 0; e < 4; ++e) weights[i][e] = pair(s[2 * i + e / 2][2 * (e % 2)], s[2 * i + e / 2][2 * (e % 2) + 1]);
    __syncwarp();  // keeps the compiler from loading values while scores still take registers
    const unsigned char* const values = stage + C.tile_bytes() + lane() * C.row_stride();
    if (has_not_finite<P> && !all && any_not_finite(values))
      add_finite_values(weights, seen, values);
    else
      add_values(weights, values);
  }

  /// Ends a split: from here on state() and accumulator are those of its keys.
  __device__ __forceinline__ void end_split() {
    row_weights_.add_lanes();
    if constexpr (scaled) scale_accumulator(__fmul_rn(row_weights_.unit(0), code_unit<P>), __fmul_rn(row_weights_.unit(1), code_unit<P>));
  }

  /// Adds the split to the sum of those before it, and begins the next one. That sum lies in shared memory, `total`, where each lane has
  /// elements of its own: it is touched once for 256 keys, and would cost half of the registers.
  __device__ __forceinline__ void merge_split(float* total) {
    MergeFactors f[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) f[r] = merge_states(total_state_[r], state(r));
    row_weights_ = {};
#pragma unroll
    for (int i = 0; i < tiles; ++i) {
      std::uint32_t sum[4] = {};
      if (merged_) ld_shared(sum, total + 4 * (32 * i + lane()));
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const float mine = __fmul_rn(__uint_as_float(sum[e]), f[e / 2].mine);
        sum[e] = __float_as_uint(fmaf(acc_[i][e], f[e / 2].theirs, mine));
        acc_[i][e] = 0;
      }
      st_shared(total + 4 * (32 * i + lane()), sum);
    }
    merged_ = true;
  }

  /// Brings back the sum of all splits, for for_result().
  __device__ __forceinline__ void take_total(const float* total) {
#pragma unroll
    for (int i = 0; i < tiles; ++i) {
      std::uint32_t sum[4];
      ld_shared(sum, total + 4 * (32 * i + lane()));
#pragma unroll
      for (int e = 0; e < 4; ++e) acc_[i][e] = __uint_as_float(sum[e]);
    }
  }

  /// The state of the split that has ended, for the lane's rows.
  __device__ __forceinline__ const OnlineSoftmax& state(int r) const { return row_weights_.state(r); }

  /// Calls f(d, x) for the lane's elements [d, d + run) of row r: the accumulator of the split that has ended.
  template <class F>
  __device__ __forceinline__ void for_accumulator(int r, const F& f) const {
    for_runs(r, 1.0f, f);
  }
  /// The same of the result, over all splits that were merged, behind take_total().
  template <class F>
  __device__ __forceinline__ void for_result(int r, const F& f) const {
    for_runs(r, total_state_[r].inverse_sum(), f);
  }

 private:
  __device__ __forceinline__ static int lane() { return static_cast<int>(threadIdx.x) % 32; }
  __device__ __forceinline__ static std::uint32_t pair(float first, float second) {
    return P == Precision::bf16 ? cvt_bf16x2(first, second) : cvt_f16x2(first, second);
  }
  __device__ __forceinline__ static void multiply(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    if constexpr (P == Precision::bf16)
      mma_m16n8k16_bf16(c, a, b);
    else
      mma_m16n8k16_f16(c, a, b);
  }

  /// s = q * k^T, up to scales; s[j] is for keys 8j to 8j + 7. A lane gives ldmatrix the row of one key.
  __device__ __forceinline__ void multiply_keys(const unsigned char* stage, StepScores& s) const {
    const unsigned char* const row = stage + lane() * C.row_stride();
#pragma unroll
    for (int k = 0; k < dim / 16; ++k) {
      std::uint32_t low[4], high[4];
      ldmatrix(low, row + 16 * (wide ? 2 * k : k));
      if constexpr (wide)
        ldmatrix(high, row + 16 * (2 * k + 1));
      else
#pragma unroll
        for (int j = 0; j < 4; ++j) decode_pairs<P>(low[j], low[j], high[j]);
#pragma unroll
      for (int j = 0; j < 4; ++j) multiply(s[j], q_[k], {low[j], high[j]});
    }
  }

  /// Scores of keys that a row does not see become -inf. Returns which are seen.
  __device__ __forceinline__ std::uint32_t mask(StepScores& s, int key) const {
    std::uint32_t seen = 0;
#pragma unroll
    for (int j = 0; j < 4; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int at = key + 8 * j + 2 * (lane() % 4) + e % 2;
        const bool sees = at >= mask_.first_key(rows_.position[e / 2]) && at < mask_.end_key(rows_.position[e / 2]);
        s[j][e] = sees ? s[j][e] : OnlineSoftmax::no_key;
        seen |= sees ? 1u << (4 * j + e) : 0u;
      }
    return seen;
  }

  __device__ __forceinline__ void scale_accumulator(float first, float second) {
#pragma unroll
    for (int i = 0; i < tiles; ++i)
#pragma unroll
      for (int e = 0; e < 4; ++e) acc_[i][e] = __fmul_rn(acc_[i][e], e < 2 ? first : second);
  }

  /// The operands for products with the values of a chunk of columns: low[i] of keys 8i to 8i + 7; high[i] of the odd columns of 8-bit
  /// codes.
  __device__ __forceinline__ static void load_values(const unsigned char* values, int chunk, std::uint32_t (&low)[4],
                                                     std::uint32_t (&high)[4]) {
    ldmatrix_trans(low, values + 16 * chunk);
    if constexpr (!wide)
#pragma unroll
      for (int i = 0; i < 4; ++i) decode_pairs<P>(low[i], low[i], high[i]);
  }

  /// acc += weights * values.
  __device__ __forceinline__ void add_values(const std::uint32_t (&weights)[2][4], const unsigned char* values) {
#pragma unroll
    for (int c = 0; c < chunks; ++c) {
      std::uint32_t low[4], high[4];
      load_values(values, c, low, high);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        multiply(acc_[wide ? c : 2 * c], weights[i], {low[2 * i], low[2 * i + 1]});
        if constexpr (!wide) multiply(acc_[2 * c + 1], weights[i], {high[2 * i], high[2 * i + 1]});
      }
    }
  }

  __device__ __forceinline__ static bool any_not_finite(const unsigned char* values) {
    NotFiniteFinder<P> finder;
#pragma unroll
    for (int c = 0; c < chunks; ++c) {
      std::uint32_t codes[4];
      ldmatrix_trans(codes, values + 16 * c);
#pragma unroll
      for (int i = 0; i < 4; ++i) finder.look(codes[i]);
    }
    return __any_sync(0xffffffffu, finder.found()) != 0;
  }

  /// The rare case: add_values without those that are not finite. Then counts, by a product of ones, how many of these each row sees in
  /// each column, and makes its sum NaN where there are any.
  __device__ __forceinline__ void add_finite_values(const std::uint32_t (&weights)[2][4], std::uint32_t seen, const unsigned char* values) {
    const std::uint32_t ones = pair(1.0f, 1.0f);
    std::uint32_t sees[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const std::uint32_t two = seen >> (4 * (2 * i + e / 2) + 2 * (e % 2));
        sees[i][e] = ones & (((two & 1u) != 0 ? 0xffffu : 0u) | ((two & 2u) != 0 ? 0xffff0000u : 0u));
      }
#pragma unroll
    for (int c = 0; c < chunks; ++c) {
      __syncwarp();  // keeps the compiler from loading chunks ahead, for which this path has no registers
      std::uint32_t codes[2][4];
      load_values(values, c, codes[0], codes[1]);
#pragma unroll
      for (int odd = 0; odd < (wide ? 1 : 2); ++odd) {
        float(&acc)[4] = acc_[wide ? c : 2 * c + odd];
        float count[4] = {};
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const std::uint32_t bad[2] = {not_finite<P>(codes[odd][2 * i]), not_finite<P>(codes[odd][2 * i + 1])};
          multiply(acc, weights[i], {codes[odd][2 * i] & ~bad[0], codes[odd][2 * i + 1] & ~bad[1]});
          multiply(count, sees[i], {ones & bad[0], ones & bad[1]});
        }
#pragma unroll
        for (int e = 0; e < 4; ++e) acc[e] = count[e] > 0 ? __uint_as_float(0x7fffffffu) : acc[e];
      }
    }
  }

  template <class F>
  __device__ __forceinline__ void for_runs(int r, float factor, const F& f) const {
    const int t = lane() % 4;
#pragma unroll
    for (int c = 0; c < chunks; ++c) {
      Vector<float, run> x;
#pragma unroll
      for (int e = 0; e < run; ++e) x.at[e] = __fmul_rn(wide ? acc_[c][2 * r + e] : acc_[2 * c + e % 2][2 * r + e / 2], factor);
      f((wide ? 8 : 16) * c + run * t, x);
    }
  }

  Rows rows_;
  SlidingWindow mask_;
  std::uint32_t q_[dim / 16][4];
  RowWeights<scaled> row_weights_;
  OnlineSoftmax total_state_[2];
  float acc_[tiles][4] = {};
  bool merged_ = false;
};

}  // namespace vernier::cuda
