// One value of many: over the lanes of a warp and over the threads of a block, always in the same order, so that sums of floats have the
// same bits in every run. Blocks have one dimension and whole warps.
#pragma once

#include "vernier/cuda/isa.cuh"

namespace vernier::cuda {

// What is combined. Commutative, so that in a butterfly all lanes end with the same bits.
struct Sum {
  template <class T>
  VERNIER_HD constexpr T operator()(T a, T b) const {
    return a + b;
  }
};
struct Largest {
  template <class T>
  VERNIER_HD constexpr T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};

/// The combination of the values of all 32 lanes, in every lane.
template <class T, class Op>
__device__ __forceinline__ T reduce_warp(T value, Op op) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) value = op(value, __shfl_xor_sync(0xffffffffu, value, lanes));
  return value;
}

/// The combination of the values of a block of Threads threads, in every thread. scratch: shared memory, Threads / 32 of T, which nobody
/// may use again before the next barrier.
template <int Threads, class T, class Op>
__device__ __forceinline__ T reduce_block(T value, T* scratch, Op op) {
  static_assert(Threads % 32 == 0, "vernier::cuda::reduce_block: a block has whole warps");
  value = reduce_warp(value, op);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
  __syncthreads();
  value = scratch[0];
#pragma unroll
  for (int warp = 1; warp < Threads / 32; ++warp) value = op(value, scratch[warp]);
  return value;
}

/// The sum of the values of the threads before this one; `total` becomes that of all. Integers. scratch as above.
template <int Threads, class T>
__device__ __forceinline__ T sum_before(T value, T* scratch, T& total) {
  static_assert(Threads % 32 == 0, "vernier::cuda::sum_before: a block has whole warps");
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  T sum = value;  // of this lane and those before it
#pragma unroll
  for (int lanes = 1; lanes < 32; lanes *= 2) {
    const T other = __shfl_up_sync(0xffffffffu, sum, static_cast<unsigned>(lanes));
    if (lane >= lanes) sum += other;
  }
  if (lane == 31) scratch[warp] = sum;
  __syncthreads();
  T before = 0;
  total = 0;
#pragma unroll
  for (int w = 0; w < Threads / 32; ++w) {
    if (w == warp) before = total;
    total += scratch[w];
  }
  return before + sum - value;
}

}  // namespace vernier::cuda
