// The checks that no single field can make, and the list of tensors that follows from a config.
#include "common/model/config.hpp"

#include <cmath>

#include "vernier/core/error.hpp"

namespace vernier::model {

namespace {

void check_range(const std::string& file, const std::string& field, int value, int largest) {
  if (value < 1 || value > largest) fail(file, field, " = ", value, ", expected 1 to ", largest);
}

void check_positive(const std::string& file, const std::string& field, double value) {
  if (!(value > 0) || !std::isfinite(value)) fail(file, field, " = ", value, ", expected a finite number above 0");
}

void check_rope(const ModelConfig& config, const std::string& file, const std::string& prefix) {
  const Rope& rope = config.rope;
  check_positive(file, prefix + "theta", rope.theta);
  if (rope.kind == RopeKind::linear || rope.kind == RopeKind::llama3) check_positive(file, prefix + "factor", rope.factor);
  if (rope.kind == RopeKind::llama3) {
    check_positive(file, prefix + "low_freq_factor", rope.low_freq_factor);
    check_positive(file, prefix + "high_freq_factor", rope.high_freq_factor);
    if (!(rope.high_freq_factor > rope.low_freq_factor)) {
      fail(file, prefix, "high_freq_factor = ", rope.high_freq_factor, ", expected more than low_freq_factor = ", rope.low_freq_factor);
    }
    check_range(file, prefix + "original context", rope.original_context, ConfigLimits::context);
  }
  if (rope.kind != RopeKind::explicit_factors) return;
  if (rope.factors.size() != static_cast<std::size_t>(config.head_dim / 2)) {
    fail(file, prefix, "factors: ", rope.factors.size(), " of them, expected half of head_dim = ", config.head_dim);
  }
  for (std::size_t i = 0; i < rope.factors.size(); ++i) {
    check_positive(file, concat(prefix, "factor ", i), static_cast<double>(rope.factors[i]));
  }
}

void check_token(const std::string& file, const std::string& field, int id, int vocab) {
  if (id < 0 || id >= vocab) fail(file, field, " = ", id, ", expected 0 to ", vocab - 1, " (the vocabulary has ", vocab, " tokens)");
}

}  // namespace

void check(const ModelConfig& config, const std::string& file, const FieldNames& names) {
  using Limits = ConfigLimits;
  check_range(file, "number of layers", config.layers, Limits::layers);
  check_range(file, "hidden size", config.hidden, Limits::hidden);
  check_range(file, names.heads, config.heads, Limits::heads);
  check_range(file, names.kv_heads, config.kv_heads, Limits::heads);
  check_range(file, "feed-forward size", config.ffn, Limits::ffn);
  check_range(file, "vocabulary size", config.vocab, Limits::vocab);
  check_range(file, "context length", config.context, Limits::context);
  if (config.head_dim < 8 || config.head_dim > Limits::head_dim || config.head_dim % 8 != 0) {
    fail(file, names.head_dim, " = ", config.head_dim, ", expected a multiple of 8 up to ", Limits::head_dim);
  }
  if (config.heads % config.kv_heads != 0) {
    fail(file, names.heads, " = ", config.heads, ", expected a multiple of ", names.kv_heads, " = ", config.kv_heads);
  }
  check_positive(file, names.norm_eps, static_cast<double>(config.norm_eps));
  if (config.norm_eps >= 1) fail(file, names.norm_eps, " = ", config.norm_eps, ", expected less than 1");
  check_rope(config, file, names.rope);
  if (config.sliding_window < 0 || config.sliding_window > Limits::context) {
    fail(file, "sliding window = ", config.sliding_window, ", expected 0 (none) to ", Limits::context);
  }
  if (!config.full_attention.empty() && config.full_attention.size() != static_cast<std::size_t>(config.layers)) {
    fail(file, "layer types: ", config.full_attention.size(), " of them, expected one for each of ", config.layers, " layers");
  }
  if (config.bos != -1) check_token(file, "beginning-of-text token", config.bos, config.vocab);
  for (const int id : config.eos) check_token(file, "end-of-text token", id, config.vocab);
}

std::vector<TensorSpec> expected_tensors(const ModelConfig& c) {
  std::vector<TensorSpec> out;
  out.reserve(static_cast<std::size_t>(c.layers) * 14 + 3);
  out.push_back({"model.embed_tokens.weight", c.vocab, c.hidden});
  for (int layer = 0; layer < c.layers; ++layer) {
    const std::string prefix = concat("model.layers.", layer, ".");
    const auto add = [&](const char* name, int rows, int cols) { out.push_back({prefix + name, rows, cols}); };
    add("input_layernorm.weight", 1, c.hidden);
    add("self_attn.q_proj.weight", c.q_width(), c.hidden);
    add("self_attn.k_proj.weight", c.kv_width(), c.hidden);
    add("self_attn.v_proj.weight", c.kv_width(), c.hidden);
    if (c.attention_bias) {
      add("self_attn.q_proj.bias", 1, c.q_width());
      add("self_attn.k_proj.bias", 1, c.kv_width());
      add("self_attn.v_proj.bias", 1, c.kv_width());
    }
    if (c.qk_norm) {
      add("self_attn.q_norm.weight", 1, c.head_dim);
      add("self_attn.k_norm.weight", 1, c.head_dim);
    }
    add("self_attn.o_proj.weight", c.hidden, c.q_width());
    if (c.attention_output_bias) add("self_attn.o_proj.bias", 1, c.hidden);
    add("post_attention_layernorm.weight", 1, c.hidden);
    add("mlp.gate_proj.weight", c.ffn, c.hidden);
    add("mlp.up_proj.weight", c.ffn, c.hidden);
    add("mlp.down_proj.weight", c.hidden, c.ffn);
  }
  out.push_back({"model.norm.weight", 1, c.hidden});
  if (!c.tied_embeddings) out.push_back({"lm_head.weight", c.vocab, c.hidden});
  return out;
}

}  // namespace vernier::model
