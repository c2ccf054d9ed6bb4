// From sums of segments to results. Whoever computes them, a group of warps, another block, the segments of an output are added in
// ascending order, beginning from zero.
#pragma once

#include <cstddef>

#include "vernier/cuda/isa.cuh"
#include "vernier/gemm/mma_config.hpp"

namespace vernier::cuda {

/// Where blocks that share a tile along k leave their sums. `counters` are 0 before a launch, and again after it.
struct SplitMemory {
  float* partials = nullptr;  // [tile][segment][element]
  int* counters = nullptr;    // [tile]
  int segments_per_block = 0;
};

/// Which of the results of its group a thread finishes. Lane l of a warp, with g = l / 4 and t = l % 4, has sums of features g and g + 8 of
/// each row tile and tokens 2t and 2t + 1 of each eight: 4 row_tiles token_tiles of them, counted with the row tile fastest, so that a gate
/// stands beside what it gates. All warps_k groups have sums of the same results: group i finishes the i-th part of them.
template <MmaConfig C>
struct MmaResults {
  static constexpr int count = 4 * C.row_tiles * C.token_tiles, owned = C.owned(), threads = C.group_threads();

  /// The number of sum e, as mma has it, of row tile i and token tile j.
  VERNIER_HD static constexpr int number(int i, int j, int e) { return ((2 * j + e % 2) * 2 + e / 2) * C.row_tiles + i; }

  /// Within the block's tile.
  struct Place {
    int feature, token;
  };
  __device__ __forceinline__ static Place place(int thread, int number) {
    const int lane = thread % 32, warp = thread / 32;
    const int i = number % C.row_tiles, h = number / C.row_tiles % 2, c = number / C.row_tiles / 2 % 2, j = number / C.row_tiles / 4;
    return {MmaTile::rows * (warp % C.warps_n * C.row_tiles + i) + 8 * h + lane / 4,
            8 * (warp / C.warps_n * C.token_tiles + j) + 2 * (lane % 4) + c};
  }
};

/// The results of a block's threads while segments come in.
template <MmaConfig C>
class MmaSums {
 public:
  using Results = MmaResults<C>;
  static constexpr int owned = Results::owned;

  /// Of a block that computes segments [first, last) of `segments`.
  __device__ MmaSums(unsigned char* exchange, const SplitMemory& split, int first, int last, int segments)
      : exchange_(reinterpret_cast<float*>(exchange)), split_(split), first_(first), last_(last), segments_(segments) {}

  /// Takes the sums of one segment for each group of warps, those from `segment` on; where there is none, `sums` is not looked at. All
  /// threads of the block call this.
  __device__ __forceinline__ void add(const float (&sums)[Results::count], int segment) {
    if constexpr (C.warps_k == 1) {
      take(segment, [&](int o) { return sums[o]; });
    } else {
      const int group = thread() / group_threads, in_group = thread() % group_threads;
#pragma unroll
      for (int i = 0; i < Results::count; ++i) exchange_[(group * Results::count + i) * group_threads + in_group] = sums[i];
      __syncthreads();
      for (int g = 0; g < C.warps_k && segment + g < last_; ++g)
        take(segment + g, [&](int o) { return exchange_[(g * Results::count + group * owned + o) * group_threads + in_group]; });
      __syncthreads();
    }
  }

  /// Whether this block stores the results: where blocks share the tile, the one that ends last, which then has the sums of all of them.
  __device__ __forceinline__ bool complete() {
    if (last_ - first_ == segments_) return true;
    __syncthreads();  // all of the block's sums are written, and the exchange is free
    int* before = reinterpret_cast<int*>(exchange_);
    if (thread() == 0) *before = atom_acq_rel_add(split_.counters + tile(), last_ - first_);
    __syncthreads();
    if (*before + last_ - first_ != segments_) return false;
    if (thread() == 0) split_.counters[tile()] = 0;  // for the next launch
    for (int segment = 0; segment < segments_; ++segment)
#pragma unroll
      for (int o = 0; o < owned; ++o) total_[o] += *partial(segment, o);
    return true;
  }

  /// Calls f(place, o) for each result of this thread, o being its number in total().
  template <class F>
  __device__ __forceinline__ void for_each(F f) const {
    const int group = thread() / group_threads, in_group = thread() % group_threads;
#pragma unroll
    for (int o = 0; o < owned; ++o) f(Results::place(in_group, group * owned + o), o);
  }
  __device__ __forceinline__ float total(int o) const { return total_[o]; }

 private:
  static constexpr int group_threads = C.group_threads(), threads = C.threads();

  __device__ __forceinline__ static int thread() { return static_cast<int>(threadIdx.x); }
  /// The number of the block's tile in the launch.
  __device__ __forceinline__ static int tile() { return static_cast<int>(blockIdx.y * gridDim.x + blockIdx.x); }

  template <class F>
  __device__ __forceinline__ void take(int segment, F value) {
    if (last_ - first_ == segments_) {
#pragma unroll
      for (int o = 0; o < owned; ++o) total_[o] += value(o);
    } else {
#pragma unroll
      for (int o = 0; o < owned; ++o) *partial(segment, o) = value(o);
    }
  }
  __device__ __forceinline__ float* partial(int segment, int o) const {
    const std::size_t at = static_cast<std::size_t>(tile()) * static_cast<std::size_t>(segments_) + static_cast<std::size_t>(segment);
    return split_.partials + at * (owned * threads) + static_cast<std::size_t>(o * threads + thread());
  }

  float* exchange_;
  const SplitMemory& split_;
  int first_, last_, segments_;
  float total_[owned] = {};
};

}  // namespace vernier::cuda
