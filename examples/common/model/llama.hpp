// The forward of a Llama-class model, from token ids to the next ones, on whichever backend it is given. Read run_layer() first: it is the
// model. Weights are loaded in weights.hpp, pages of keys and values belong to the caller (vernier/kv/pages.hpp).
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "common/model/config.hpp"
#include "common/model/output.hpp"
#include "vernier/kv/sequence.hpp"

namespace vernier::model {

/// A model ready to run. Weights may be shared by several; the backend and the activations are this one's. One forward at a time.
///
/// A Backend names its Weights, Cache and State, and has the functions that are called below (cpu_backend.hpp). begin() makes the Step of a
/// forward: the batch and the activations, as the other functions want them. What those are is the backend's business; their shapes are
///   hidden (t, hidden): the residual stream                            selected, final (o, hidden): rows of hidden, and their norm
///   normed (t, hidden)     q, mixed (t, heads * head_dim)     k, v (t, kv_heads * head_dim)     gate (t, ffn)     logits (o, vocab)
template <class Backend>
class Llama {
 public:
  using Weights = typename Backend::Weights;
  using Cache = typename Backend::Cache;
  using Step = typename Backend::Step;

  Llama(std::shared_ptr<const Weights> weights, Backend backend)
      : weights_(std::move(weights)), backend_(std::move(backend)), state_(weights_->config) {}

  const ModelConfig& config() const { return weights_->config; }
  const Weights& weights() const { return *weights_; }
  Backend& backend() { return backend_; }

  /// What a cache of this model looks like.
  KvGeometry kv_geometry(int num_pages) const { return {config().layers, config().kv_heads, config().head_dim, num_pages}; }

  /// Takes the memory for forwards of so many tokens and outputs, where the backend's device has its own.
  void reserve(int tokens, int outputs) { backend_.reserve(state_, tokens, outputs); }

  /// Runs a batch of chunks whose pages were made room for (KvSequence::extend) and writes their keys and values to `cache`.
  /// tokens: the ids of all chunks, one after the other. outputs: what is wanted of rows of that list, and gets it. An output depends, to
  /// the bit, on its own sequence alone.
  /// Throws Error on an id outside the vocabulary or a batch that does not fit its pages; the cache may then hold part of the batch, and
  /// the caller truncates its sequences.
  void forward(Cache& cache, std::span<const KvChunk> batch, std::span<const int> tokens, std::span<Output> outputs);

 private:
  void run_model(const Step& step) {
    for (int layer = 0; layer < config().layers; ++layer) run_layer(layer, step);
    if (step.outputs.size() == 0) return;
    backend_.gather(step.hidden, step.outputs, step.selected);
    backend_.rms_norm(step.selected, weights_->final_norm, config().norm_eps, step.final);
    backend_.linear(step.final, weights_->head, step.logits);
    backend_.choose(step);
  }

  /// hidden += attention(norm(hidden)); hidden += ffn(norm(hidden)).
  void run_layer(int index, const Step& step) {
    const auto& w = weights_->layers[static_cast<std::size_t>(index)];
    const float eps = config().norm_eps;

    backend_.rms_norm(step.hidden, w.attention_norm, eps, step.normed);
    backend_.linear_qkv(step.normed, w, step.q, step.k, step.v);
    if (config().qk_norm) {
      backend_.rms_norm_heads(step.q, config().head_dim, w.q_norm, eps);
      backend_.rms_norm_heads(step.k, config().head_dim, w.k_norm, eps);
    }
    backend_.append(index, step);  // turns q and k to their positions on the way
    backend_.attention(index, w, step, config().window(index));
    backend_.linear_add(step.mixed, w.o, step.hidden);

    backend_.rms_norm(step.hidden, w.ffn_norm, eps, step.normed);
    backend_.linear_swiglu(w, step);
    backend_.linear_add(step.gate, w.down, step.hidden);
  }

  std::shared_ptr<const Weights> weights_;
  Backend backend_;
  typename Backend::State state_;
};

// Out of the class, or callers would inline what is compiled once for all of them.
template <class Backend>
void Llama<Backend>::forward(Cache& cache, std::span<const KvChunk> batch, std::span<const int> tokens, std::span<Output> outputs) {
  backend_.prepare(*weights_);
  const Step step = backend_.begin(state_, cache, batch, static_cast<int>(tokens.size()), outputs);
  backend_.embed(weights_->embedding, tokens, step.hidden);
  backend_.run(state_, step, [&] { run_model(step); });
}

}  // namespace vernier::model
