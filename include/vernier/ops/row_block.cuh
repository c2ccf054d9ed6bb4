// A row to a block: what needs all of a row before any of it can be stored, which are the norm and the scale of a quantised row. The row is
// read once, stays in registers and is written once. Where neither is asked, ops/map_rows.cuh spreads a row over many blocks.
#pragma once

#include <cstdint>
#include <type_traits>

#include "vernier/cuda/block.cuh"
#include "vernier/cuda/reduce.cuh"
#include "vernier/ops/quantized_rows.hpp"
#include "vernier/ops/row_config.hpp"
#include "vernier/ops/row_sources.cuh"
#include "vernier/quant/group_scale.hpp"

namespace vernier::cuda {

/// What makes an RMS norm: row / sqrt(mean(row^2) + epsilon) * weight.
struct NormArgs {
  const float* weight = nullptr;  // (n), 16-byte aligned
  float epsilon = 0;
};

template <RowSource Source, class Out>
struct RowArgs {
  Source source;
  NormArgs norm;
  Out out;
};

/// One row for each block of the grid. Out is a MatrixView of float, f16 or bf16, or QuantizedRows. A row's bits depend on the row and on C
/// alone: the sum of squares is one chain for each thread, then a butterfly over the warp, then the warps in order.
template <RowConfig C, RowSource Source, class Out>
class RowBlock {
  static_assert(check<C>(), "vernier::cuda::RowBlock: a config that check() refuses");

 public:
  using Args = RowArgs<Source, Out>;
  static constexpr Arch arch = C.arch;
  static constexpr int threads = C.threads, shared_bytes = 2 * 4 * threads / 32;

  __device__ static void run(const Args& args, unsigned char* shared) {
    RowBlock block(args, shared);
    block.load();
    if constexpr (C.norm) block.normalize();
    block.store(args.out);
  }

 private:
  __device__ RowBlock(const Args& args, unsigned char* shared)
      : args_(args), shared_(shared), row_(static_cast<int>(blockIdx.x)), first_(static_cast<int>(threadIdx.x) * row_chunk) {}

  /// Columns of the thread's chunk c; neighbouring threads have neighbouring chunks.
  __device__ __forceinline__ int col(int c) const { return first_ + c * threads * row_chunk; }
  __device__ __forceinline__ bool has(int c) const { return col(c) < args_.source.cols(); }

  __device__ __forceinline__ void load() {
#pragma unroll
    for (int c = 0; c < C.chunks; ++c)
      if (has(c)) args_.source.load(row_, col(c), v_[c]);
  }

  __device__ __forceinline__ void normalize() {
    float squares = 0;
#pragma unroll
    for (int c = 0; c < C.chunks; ++c)
#pragma unroll
      for (int i = 0; i < row_chunk; ++i) squares += v_[c][i] * v_[c][i];  // zeros beyond the row
    const float sum = reduce_block<threads>(squares, reinterpret_cast<float*>(shared_), Sum{});
    const float scale = 1.0f / sqrtf(sum / static_cast<float>(args_.source.cols()) + args_.norm.epsilon);
#pragma unroll
    for (int c = 0; c < C.chunks; ++c) {
      if (!has(c)) continue;
      float weight[row_chunk];
      load_chunk(args_.norm.weight + col(c), weight);
#pragma unroll
      for (int i = 0; i < row_chunk; ++i) v_[c][i] = v_[c][i] * scale * weight[i];
    }
  }

  template <class T>
  __device__ __forceinline__ void store(const MatrixView<T>& out) {
#pragma unroll
    for (int c = 0; c < C.chunks; ++c)
      if (has(c)) store_chunk(out.row(row_) + col(c), v_[c]);
  }

  template <class T>
  __device__ __forceinline__ void store(const QuantizedRows<T>& out) {
    std::int32_t most = 0;  // magnitudes in order as integers, infinity and NaN on top
#pragma unroll
    for (int c = 0; c < C.chunks; ++c)
#pragma unroll
      for (int i = 0; i < row_chunk; ++i) most = Largest{}(most, static_cast<std::int32_t>(float_bits(v_[c][i]) & 0x7fffffffu));
    most = reduce_block<threads>(most, reinterpret_cast<std::int32_t*>(shared_) + threads / 32, Largest{});
    const GroupScale scale = group_scale(most, static_cast<int>(T::max));
#pragma unroll
    for (int c = 0; c < C.chunks; ++c) {
      if (!has(c)) continue;
      Vector<T, row_chunk> codes;
#pragma unroll
      for (int i = 0; i < row_chunk; ++i) codes.at[i] = scale.inverse == 0.0f ? T{} : T::encode(v_[c][i] * scale.inverse);
      store_vector(out.codes.row(row_) + col(c), codes);
    }
    if (threadIdx.x == 0) out.scales[row_] = scale.scale;
  }

  const Args& args_;
  unsigned char* shared_;
  int row_, first_;
  float v_[C.chunks][row_chunk] = {};
};

}  // namespace vernier::cuda
