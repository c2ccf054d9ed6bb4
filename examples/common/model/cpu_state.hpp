// What a forward on the CPU works on: activations and the rotary table.
#pragma once

#include <algorithm>
#include <span>

#include "common/model/config.hpp"
#include "common/model/output.hpp"
#include "common/model/rope_config.hpp"
#include "vernier/core/buffer.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/kv/cache.hpp"
#include "vernier/kv/rotary.hpp"
#include "vernier/ops/rope.hpp"

namespace vernier::model {

/// One forward of t tokens with o outputs; see Llama for who writes what.
struct CpuStep {
  KvCache& cache;
  std::span<const KvChunk> batch;
  std::span<Output> outputs;  // (o)
  RotaryView rotary;
  MatrixView<float> hidden;           // (t, hidden): the residual stream
  MatrixView<float> normed;           // (t, hidden)
  MatrixView<float> q, k, v;          // (t, heads * head_dim), (t, kv_heads * head_dim) twice
  MatrixView<float> mixed;            // (t, heads * head_dim): values weighted by attention
  MatrixView<float> gate;             // (t, ffn)
  MatrixView<float> selected, final;  // (o, hidden)
  MatrixView<float> logits;           // (o, vocab)
};

/// Grows to the largest batch seen, so that a warm forward allocates nothing.
class CpuState {
 public:
  explicit CpuState(const ModelConfig& config) : config_(&config), rope_(rope_config(config)) {}

  /// Makes room for a forward. Its views live until the next call, and so do logits that outputs keep.
  CpuStep begin(KvCache& cache, std::span<const KvChunk> batch, int t, std::span<Output> outputs) {
    for (const KvChunk& chunk : batch) rope_.reserve(chunk.first + chunk.count);
    const int o = static_cast<int>(outputs.size());
    const auto room = [](Buffer<float>& buffer, int rows, int cols) {
      buffer.reserve_discard(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
      return MatrixView<float>{buffer.data(), rows, cols};
    };
    const MatrixView<float> normed = room(normed_, std::max(t, o), config_->hidden);
    return {.cache = cache,
            .batch = batch,
            .outputs = outputs,
            .rotary = rotary_view(rope_),
            .hidden = room(hidden_, t, config_->hidden),
            .normed = normed.slice_rows(0, t),
            .q = room(q_, t, config_->q_width()),
            .k = room(k_, t, config_->kv_width()),
            .v = room(v_, t, config_->kv_width()),
            .mixed = room(mixed_, t, config_->q_width()),
            .gate = room(gate_, t, config_->ffn),
            .selected = normed.slice_rows(0, o),
            .final = normed.slice_rows(0, o),
            .logits = room(logits_, o, config_->vocab)};
  }

 private:
  const ModelConfig* config_;
  ops::RopeTable rope_;
  Buffer<float> hidden_, normed_, q_, k_, v_, mixed_, gate_, logits_;
};

}  // namespace vernier::model
