// Attention over the paged KV cache: the entry point. It checks, divides the work between threads and merges; the arithmetic is in the
// micro-kernels behind tile.hpp. What is correct is defined by reference.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "vernier/attention/config.hpp"
#include "vernier/attention/kernels.hpp"
#include "vernier/attention/plan.hpp"
#include "vernier/attention/worker.hpp"
#include "vernier/core/error.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/kv/append.hpp"
#include "vernier/kv/cache.hpp"
#include "vernier/policy/mask.hpp"

namespace vernier {

struct AttentionOptions {
  float scale = 0;  // of the scores; 0 means 1 / sqrt(head_dim)
  int window = 0;   // a token sees itself and the window - 1 before it; 0 means every earlier token
};

/// out = softmax(scale * q * K^T) * V for each token of the batch, over the keys of its own sequence that `mask` lets it see.
///
/// q, out: (tokens, heads * head_dim), rows in the order of the batch; q is rotated already (see rotate()). heads is any multiple of
/// the cache's kv_heads: query head h reads kv head h / (heads / kv_heads). The keys of the batch itself must be in the cache
/// (append() them first). A token's result depends, to the bit, on its own q and the keys it sees, not on the batch, the chunk or the
/// number of threads. NaN in q, or in a key or value that is seen, gives NaN. Does not allocate once `workspace` has seen such a batch.
/// Throws Error when shapes disagree.
template <AttentionConfig C = AttentionConfig{}, Mask M>
void attention(cpu::ThreadPool& pool, const KvCache& cache, int layer, std::span<const KvChunk> batch, MatrixView<const float> q,
               MatrixView<float> out, const M& mask, float scale, AttentionWorkspace& workspace) {
  static_assert(check<C>(), "vernier::attention: see AttentionConfig");
  constexpr const char* where = "vernier::attention";
  const KvGeometry& g = cache.geometry();
  const int rows = detail::batch_rows(batch);
  detail::expect_layer(where, cache, layer);
  expect(q.cols > 0 && q.cols % (g.kv_heads * g.head_dim) == 0, where, "q has ", q.cols,
         " columns, expected a multiple of kv_heads * head_dim = ", g.kv_heads * g.head_dim);
  expect(q.rows == rows, where, "q has ", q.rows, " rows, but the batch has ", rows, " tokens");
  expect(out.rows == q.rows && out.cols == q.cols, where, "out is (", out.rows, ", ", out.cols, "), expected that of q: (", q.rows, ", ",
         q.cols, ")");
  expect(std::isfinite(scale), where, "scale = ", scale, ", expected a finite number");
  for (const KvChunk& chunk : batch) detail::expect_chunk(where, cache, chunk);

  const detail::AttentionPlan plan(C, cache.layout(), q.cols / g.head_dim, batch, mask);
  const int workers = plan.workers(pool.size());
  workspace.reserve(plan, cache.layout(), workers);
  const detail::AttentionTask<M> task{cache, layer, batch, q, out, mask, scale, plan, workspace, workers};
  if (workers == 1) {
    task.work(0);
    return;
  }
  pool.run([&](int worker) {
    if (worker < workers) task.work(worker);
  });
  for (int worker = 0; worker < workers; ++worker) task.finish_shared(worker);  // a few states each: less than meeting again costs
}

/// The same with the mask that options.window asks for.
inline void attention(cpu::ThreadPool& pool, const KvCache& cache, int layer, std::span<const KvChunk> batch, MatrixView<const float> q,
                      MatrixView<float> out, const AttentionOptions& options, AttentionWorkspace& workspace) {
  expect(options.window >= 0, "vernier::attention", "window = ", options.window, ", expected 0 (none) or more");
  const float scale = options.scale != 0 ? options.scale : 1.0f / std::sqrt(static_cast<float>(cache.geometry().head_dim));
  if (options.window > 0)
    attention(pool, cache, layer, batch, q, out, SlidingWindow{options.window}, scale, workspace);
  else
    attention(pool, cache, layer, batch, q, out, Causal{}, scale, workspace);
}

}  // namespace vernier
