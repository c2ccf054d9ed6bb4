// Weights of a Llama that no file holds, for tests of the forward and of what runs it.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "common/model/formats.hpp"
#include "common/model/weights.hpp"
#include "support/compare.hpp"
#include "vernier/quant/quantize.hpp"

namespace vernier::test {

/// Norms of one, and each matrix from matrix(n, k, format, seed), which returns a PackedMatrix; seeds differ.
template <class Matrix>
std::shared_ptr<const model::Weights> make_weights(const model::ModelConfig& config, const model::FormatOf& format_of,
                                                   const Matrix& matrix) {
  auto weights = std::make_shared<model::Weights>();
  const model::ModelConfig& c = weights->config = config;
  unsigned seed = 0;
  const auto linear = [&](const char* name, int n, int k) {
    return model::Linear{std::make_shared<const PackedMatrix>(matrix(n, k, format_of(name), ++seed)), {}};
  };
  const std::vector<float> ones(static_cast<std::size_t>(c.hidden), 1.0f);
  weights->embedding = linear("model.embed_tokens.weight", c.vocab, c.hidden).weight;
  for (int i = 0; i < c.layers; ++i) {
    model::LayerWeights layer;
    layer.attention_norm = layer.ffn_norm = ones;
    layer.q = linear("model.layers.0.self_attn.q_proj.weight", c.q_width(), c.hidden);
    layer.k = linear("model.layers.0.self_attn.k_proj.weight", c.kv_width(), c.hidden);
    layer.v = linear("model.layers.0.self_attn.v_proj.weight", c.kv_width(), c.hidden);
    layer.o = linear("model.layers.0.self_attn.o_proj.weight", c.hidden, c.q_width());
    layer.gate = linear("model.layers.0.mlp.gate_proj.weight", c.ffn, c.hidden);
    layer.up = linear("model.layers.0.mlp.up_proj.weight", c.ffn, c.hidden);
    layer.down = linear("model.layers.0.mlp.down_proj.weight", c.hidden, c.ffn);
    weights->layers.push_back(std::move(layer));
  }
  weights->final_norm = ones;
  weights->head = linear("lm_head.weight", c.vocab, c.hidden);
  return weights;
}

/// Normal values of standard deviation 0.15, quantised.
inline PackedMatrix random_matrix(int n, int k, WeightFormat format, unsigned seed) {
  const std::vector<float> values = normal(static_cast<std::size_t>(n) * static_cast<std::size_t>(k), seed, 0.15f);
  return quantize({values.data(), n, k}, format);
}

}  // namespace vernier::test
