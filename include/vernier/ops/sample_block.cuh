// What the blocks of sampling have in common: the walk over a part of a row, who is the last of a row, and where a running sum crosses a
// border.
#pragma once

#include "vernier/cuda/block.cuh"
#include "vernier/cuda/reduce.cuh"
#include "vernier/cuda/vector.cuh"
#include "vernier/ops/exp.hpp"
#include "vernier/ops/sample_config.hpp"

namespace vernier::cuda::detail {

/// Probability after temperature, against the best token's. The only function that makes a weight: all kernels see the same bits.
__device__ __forceinline__ float sample_weight(float logit, float greatest, float temperature) {
  return ops::exp((logit - greatest) / temperature);
}

/// Where a sum that runs over n values first exceeds a target.
struct Crossing {
  int index;
  Mass before;  // of the values in front of it
};

/// Shared memory of the functions below.
template <int Threads>
struct SampleShared {
  Mass sums[Threads / 32];
  Crossing crossing;
  int flag;
  int id;
};

/// Calls f(id, logit) for the tokens of part blockIdx.x of row blockIdx.y, by all threads equally often: beyond the vocabulary, with a
/// logit of -infinity. Four tokens an access.
template <SampleConfig C, class F>
__device__ __forceinline__ void for_part(const MatrixView<float>& logits, const F& f) {
  const float* const row = logits.row(static_cast<int>(blockIdx.y));
  const int first = static_cast<int>(blockIdx.x) * C.part + static_cast<int>(threadIdx.x) * 4;
#pragma unroll
  for (int step = 0; step < C.part; step += 4 * C.threads) {
    const int id = first + step;
    Vector<float, 4> x;
    if (id + 4 <= logits.cols) {
      x = load_vector<float, 4>(row + id);
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) x.at[i] = id + i < logits.cols ? row[id + i] : bits_float(0xff800000u);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) f(id + i, x.at[i]);
  }
}

/// Whether this block is the last of the `blocks` of its row to come here; it then sees what all of them wrote. The count is zero behind
/// it.
__device__ __forceinline__ bool last_to_arrive(int* arrived, int blocks, int* flag) {
  __syncthreads();
  if (threadIdx.x == 0) {
    const bool last = atom_acq_rel_add(arrived, 1) == blocks - 1;
    if (last) *arrived = 0;
    *flag = last ? 1 : 0;
  }
  __syncthreads();
  return *flag != 0;
}

/// The first index at which value(0) + ... + value(index) exceeds target, or the last with a value if none does; 0 where there is none with
/// a value. Called by all threads; behind it is a barrier.
template <int Threads, class F>
__device__ __forceinline__ Crossing find_crossing(SampleShared<Threads>& shared, int n, Mass target, const F& value) {
  const int each = (n + Threads - 1) / Threads, first = static_cast<int>(threadIdx.x) * each, end = first + each < n ? first + each : n;
  Mass own = 0, total = 0;
  for (int i = first; i < end; ++i) own += value(i);
  Mass before = sum_before<Threads>(own, shared.sums, total);
  if (total == 0 && threadIdx.x == 0) shared.crossing = {0, 0};
  if (target >= total) target = total - 1;
  if (before <= target && target < before + own) {
    int i = first;
    for (Mass v = value(i); before + v <= target && i + 1 < end; v = value(i)) {
      before += v;
      ++i;
    }
    shared.crossing = {i, before};
  }
  __syncthreads();
  return shared.crossing;
}

}  // namespace vernier::cuda::detail
