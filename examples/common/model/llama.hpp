// The forward of a Llama-class model, from token ids to logits, on whichever backend it is given. Read run_layer() first: it is the
// model. Weights are loaded in weights.hpp, pages of keys and values belong to the caller (vernier/kv/cache.hpp).
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "common/model/config.hpp"
#include "common/model/weights.hpp"
#include "vernier/core/buffer.hpp"
#include "vernier/core/error.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/kv/cache.hpp"
#include "vernier/kv/rotary.hpp"
#include "vernier/ops/rope.hpp"

namespace vernier::model {

/// The library's words for what the model's files say about rotary embeddings.
inline ops::RopeConfig rope_config(const ModelConfig& config) {
  using Kind = ops::RopeScaling::Kind;
  const Rope& rope = config.rope;
  const Kind kind = rope.kind == RopeKind::linear   ? Kind::linear
                    : rope.kind == RopeKind::llama3 ? Kind::llama3
                    : rope.kind == RopeKind::plain  ? Kind::none
                                                    : Kind::factors;
  return {
      config.head_dim, rope.theta, {kind, rope.factor, rope.low_freq_factor, rope.high_freq_factor, rope.original_context, rope.factors}};
}

/// Activations of one forward. Grows to the largest batch seen, so that a warm forward allocates nothing.
class LlamaState {
 public:
  explicit LlamaState(const ModelConfig& config) : config_(&config) {}

  void reserve(int tokens, int outputs) {
    const auto room = [](Buffer<float>& buffer, int rows, int cols) {
      buffer.reserve_discard(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
    };
    room(hidden_, tokens, config_->hidden);
    room(normed_, std::max(tokens, outputs), config_->hidden);
    room(q_, tokens, config_->q_width());
    room(k_, tokens, config_->kv_width());
    room(v_, tokens, config_->kv_width());
    room(mixed_, tokens, config_->q_width());
    room(gate_, tokens, config_->ffn);
  }

  MatrixView<float> hidden(int t) { return {hidden_.data(), t, config_->hidden}; }
  MatrixView<float> normed(int t) { return {normed_.data(), t, config_->hidden}; }
  MatrixView<float> q(int t) { return {q_.data(), t, config_->q_width()}; }
  MatrixView<float> k(int t) { return {k_.data(), t, config_->kv_width()}; }
  MatrixView<float> v(int t) { return {v_.data(), t, config_->kv_width()}; }
  MatrixView<float> mixed(int t) { return {mixed_.data(), t, config_->q_width()}; }
  MatrixView<float> gate(int t) { return {gate_.data(), t, config_->ffn}; }

 private:
  const ModelConfig* config_;
  Buffer<float> hidden_, normed_, q_, k_, v_, mixed_, gate_;
};

/// A model ready to run. Weights may be shared by several; the backend and the activations are this one's. One forward at a time.
template <class Backend>
class Llama {
 public:
  Llama(std::shared_ptr<const Weights> weights, Backend backend)
      : weights_(std::move(weights)), backend_(std::move(backend)), rope_(rope_config(weights_->config)), state_(weights_->config) {}

  const ModelConfig& config() const { return weights_->config; }
  const Weights& weights() const { return *weights_; }

  /// What a cache of this model looks like.
  KvGeometry kv_geometry(int num_pages) const { return {config().layers, config().kv_heads, config().head_dim, num_pages}; }

  /// Runs a batch of chunks whose pages were made room for (KvSequence::extend) and writes their keys and values to `cache`.
  /// tokens: the ids of all chunks, one after the other. outputs: the rows of that list whose logits are wanted, ascending.
  /// logits: (outputs, vocab). A row depends, to the bit, on its own sequence alone.
  /// Throws Error on an id outside the vocabulary or shapes that disagree; the cache may then hold part of the batch, and the caller
  /// truncates its sequences.
  void forward(KvCache& cache, std::span<const KvChunk> batch, std::span<const int> tokens, std::span<const int> outputs,
               MatrixView<float> logits) {
    const int t = static_cast<int>(tokens.size()), o = static_cast<int>(outputs.size());
    expect(logits.rows == o && (o == 0 || logits.cols == config().vocab), "vernier::model::Llama::forward", "logits are ", logits.rows,
           " x ", logits.cols, ", expected outputs x vocabulary = ", o, " x ", config().vocab);
    for (const KvChunk& chunk : batch) rope_.reserve(chunk.first + chunk.count);
    state_.reserve(t, o);

    backend_.embed(*weights_->embedding, tokens, state_.hidden(t));
    for (int layer = 0; layer < config().layers; ++layer) run_layer(layer, cache, batch, t);
    if (o == 0) return;
    gather(outputs);
    backend_.rms_norm(state_.normed(o), weights_->final_norm, config().norm_eps, state_.normed(o));
    backend_.linear(state_.normed(o), weights_->head, logits);
  }

 private:
  /// hidden += attention(norm(hidden)); hidden += ffn(norm(hidden)), for t tokens.
  void run_layer(int index, KvCache& cache, std::span<const KvChunk> batch, int t) {
    const LayerWeights& w = weights_->layers[static_cast<std::size_t>(index)];
    const float eps = config().norm_eps;
    const RotaryView rotary = rotary_view(rope_);
    const MatrixView<float> hidden = state_.hidden(t);  // (t, hidden): the residual stream
    const MatrixView<float> normed = state_.normed(t);  // (t, hidden)
    const MatrixView<float> q = state_.q(t);            // (t, heads * head_dim)
    const MatrixView<float> k = state_.k(t);            // (t, kv_heads * head_dim)
    const MatrixView<float> v = state_.v(t);            // (t, kv_heads * head_dim)
    const MatrixView<float> mixed = state_.mixed(t);    // (t, heads * head_dim): values weighted by attention
    const MatrixView<float> gate = state_.gate(t);      // (t, ffn)

    backend_.rms_norm(hidden, w.attention_norm, eps, normed);
    backend_.linear_qkv(normed, w, q, k, v);
    if (config().qk_norm) {
      backend_.rms_norm_heads(q, config().head_dim, w.q_norm, eps);
      backend_.rms_norm_heads(k, config().head_dim, w.k_norm, eps);
    }
    backend_.rotate(q, config().head_dim, batch, rotary);
    backend_.append(cache, index, batch, k, v, rotary);  // rotates k on the way
    backend_.attention(cache, index, batch, q, mixed, config().window(index));
    backend_.linear_add(mixed, w.o, hidden);

    backend_.rms_norm(hidden, w.ffn_norm, eps, normed);
    backend_.linear_swiglu(normed, w.gate, w.up, gate);
    backend_.linear_add(gate, w.down, hidden);
  }

  /// The hidden rows whose logits are wanted, side by side.
  void gather(std::span<const int> outputs) {
    const int rows = static_cast<int>(outputs.size()), bytes = config().hidden * static_cast<int>(sizeof(float));
    for (int i = 0; i < rows; ++i) {
      const int row = outputs[static_cast<std::size_t>(i)];
      std::memcpy(state_.normed(rows).row(i), state_.hidden(row + 1).row(row), static_cast<std::size_t>(bytes));
    }
  }

  std::shared_ptr<const Weights> weights_;
  Backend backend_;
  ops::RopeTable rope_;
  LlamaState state_;
};

}  // namespace vernier::model
