// Attention over the paged KV cache of a CUDA device: the entry. It checks and launches; the kernels of a cache's
// format are attention_kernels.cuh, those that put split sums together merge_sm80.cuh. What is correct is defined by reference.hpp.
#pragma once

#include <cmath>
#include <cstdint>

#include "vernier/attention/attention_kernels.cuh"
#include "vernier/attention/merge_sm80.cuh"
#include "vernier/core/error.hpp"
#include "vernier/cuda/on_arch.cuh"
#include "vernier/kv/cache.cuh"
#include "vernier/types/type_of.hpp"

namespace vernier::cuda {

/// What attention() works on besides the cache; everything is in device memory.
struct AttentionCall {
  KvBatchView batch;
  AttentionView tables;  // of the same batch
  AttentionGrid grid;
  MatrixView<const float> q;  // (rows, kv_heads * group * head_dim), turned to its positions
  AttentionOutput out;        // as q
  AttentionStates states;     // of AttentionTables::state_rows() rows
  float scale = 0;            // of the scores; 0 means 1 / sqrt(head_dim)
};

/// Bytes of the memory of states, 16-byte aligned: the states themselves, and behind them their sums.
inline std::size_t attention_state_bytes(const AttentionTables& tables, int head_dim) {
  const auto rows = static_cast<std::size_t>(tables.shape().kv_heads) * static_cast<std::size_t>(tables.state_rows());
  return round_up(rows * sizeof(OnlineSoftmax), std::size_t{16}) + rows * static_cast<std::size_t>(head_dim) * sizeof(float);
}

/// That memory as states. It holds nothing between calls: all layers, and all tables that are not larger, may share it.
inline AttentionStates attention_states(const AttentionTables& tables, void* memory) {
  const auto rows = static_cast<std::size_t>(tables.shape().kv_heads) * static_cast<std::size_t>(tables.state_rows());
  auto* const acc = static_cast<unsigned char*>(memory) + round_up(rows * sizeof(OnlineSoftmax), std::size_t{16});
  return {static_cast<OnlineSoftmax*>(memory), reinterpret_cast<float*>(acc), tables.state_rows()};
}

/// out = softmax(scale * q * K^T) * V for each token of the batch, over the keys of its own sequence that it sees; see
/// vernier::attention. The keys of the batch itself must be in the cache (append() them first, in the same stream). Queries, and weights
/// within a split of 256 keys, are rounded to f16, or to bf16 where keys and values are; a query times scale * log2(e) beyond 65504 gives
/// NaN where that is f16. A token's result depends, to the bit, on its own q and the keys it sees, not on the batch, the chunk, the
/// division into units or the grid. NaN in q, or in a key or value that is seen, gives NaN. Neither allocates nor waits; the launches are
/// up to three. Throws Error, and launches nothing, where shapes disagree or there is no kernel.
inline void attention(const KvCache& cache, int layer, const AttentionCall& call, Stream stream) {
  constexpr const char* where = "vernier::cuda::attention";
  const KvGeometry& g = cache.geometry();
  const AttentionShape& shape = call.tables.shape;
  const int cols = g.kv_heads * shape.group * g.head_dim;
  expect(layer >= 0 && layer < g.layers, where, "layer = ", layer, ", the cache has ", g.layers);
  expect(is_attention_head_dim(g.head_dim), where, "head_dim = ", g.head_dim, ", expected 64, 80, 96 or 128");
  expect(shape.kv_heads == g.kv_heads, where, "the tables are for ", shape.kv_heads, " kv heads, the cache has ", g.kv_heads);
  expect(call.q.cols == cols, where, "q has ", call.q.cols, " columns, expected kv_heads * group * head_dim = ", cols);
  expect(call.out.rows == call.q.rows && call.out.cols == cols, where, "out is (", call.out.rows, ", ", call.out.cols,
         "), expected that of q: (", call.q.rows, ", ", cols, ")");
  const Precision out = call.out.precision;
  expect(out == Precision::f32 || out == Precision::f16 || out == Precision::bf16, where, "out is ", name(out),
         ", expected f32, f16 or bf16");
  expect(reinterpret_cast<std::uintptr_t>(call.out.data) % 16 == 0 && call.out.stride % 8 == 0, where,
         "rows of out must be 16-byte aligned");
  expect(std::isfinite(call.scale), where, "scale = ", call.scale, ", expected a finite number");

  constexpr float log2e = 1.44269504f;
  const float scale = (call.scale != 0 ? call.scale : 1.0f / std::sqrt(static_cast<float>(g.head_dim))) * log2e;
  const auto grid = [&](int blocks) { return Grid{static_cast<unsigned>(blocks), static_cast<unsigned>(g.kv_heads)}; };
  const AttentionView& t = call.tables;
  const auto args = [&](const AttentionUnit* units, const int* count) {
    return AttentionArgs{cache.layout(), cache.memory(), layer, call.batch, shape, units, count, call.q, call.out, call.states, scale};
  };
  visit_precision(cache.config().precision, [&]<Precision P>() {
    if constexpr (is_kv_precision(P)) {  // KvCache has refused the others
      using Kernels = AttentionKernels<P>;
      if (call.grid.small > 0) Kernels::launch(1, cache.arch(), grid(call.grid.small), args(t.small, t.counts), stream);
      if (call.grid.large > 0) Kernels::launch(4, cache.arch(), grid(call.grid.large), args(t.large, t.counts + 1), stream);
    }
  });
  if (call.grid.merges > 0)
    launch_on<MergeStates>(cache.arch(), grid(call.grid.merges),
                           {call.batch, shape, t.merges, t.counts + 2, call.states, call.out, g.head_dim}, stream);
}

}  // namespace vernier::cuda
