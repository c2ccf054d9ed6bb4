// What a Llama-class model is made of, whichever file said so: GGUF metadata and config.json both end up here, already checked.
// Not the weights themselves (io/checkpoint.hpp) nor how they are run.
#pragma once

#include <string>
#include <vector>

namespace vernier::model {

/// How rotary frequencies are derived from theta. `explicit_factors` has its divisors in the file (GGUF's rope_freqs.weight).
enum class RopeKind { plain, linear, llama3, explicit_factors };

/// The rotary embedding. Pair i of a head turns by position * theta^(-2i / head_dim), divided as `kind` says.
struct Rope {
  RopeKind kind = RopeKind::plain;
  double theta = 10000;
  double factor = 1;            // linear and llama3
  double low_freq_factor = 1;   // llama3
  double high_freq_factor = 4;  // llama3
  int original_context = 8192;  // llama3
  std::vector<float> factors;   // explicit_factors: head_dim / 2 divisors
};

/// Sizes are in values, not bytes. Weights are named and shaped as Hugging Face does it; see expected_tensors().
struct ModelConfig {
  std::string architecture;  // "llama", "mistral", "qwen2" or "qwen3"; the fields below say all that the forward needs
  int layers = 0;
  int hidden = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;  // heads * head_dim need not be hidden
  int ffn = 0;
  int vocab = 0;    // rows of the embedding; a tokenizer may know fewer
  int context = 0;  // positions that the model was made for
  float norm_eps = 1e-6f;
  Rope rope;
  int sliding_window = 0;              // 0: none; w: a token sees itself and the w - 1 before it
  std::vector<bool> full_attention;    // layers that ignore sliding_window; empty: none does
  bool tied_embeddings = false;        // the head is model.embed_tokens.weight
  bool attention_bias = false;         // q, k and v have one
  bool attention_output_bias = false;  // o has one
  bool qk_norm = false;                // RMS norm over each head of q and k before the rotation
  int bos = -1;                        // -1: none
  std::vector<int> eos;                // any of them ends the text

  int q_width() const { return heads * head_dim; }
  int kv_width() const { return kv_heads * head_dim; }
  /// The window of this layer, 0 for none.
  int window(int layer) const { return full_attention.empty() || !full_attention[static_cast<std::size_t>(layer)] ? sliding_window : 0; }
};

/// The largest values that we accept; far above any model, and small enough that products of two fit in 64 bits.
struct ConfigLimits {
  static constexpr int layers = 1024, hidden = 1 << 18, heads = 4096, head_dim = 256, ffn = 1 << 20, vocab = 1 << 24, context = 1 << 30;
};

/// How a file calls the fields that check() may complain about.
struct FieldNames {
  std::string heads = "number of heads", kv_heads = "number of key-value heads", head_dim = "head size", norm_eps = "norm epsilon";
  std::string rope = "rope ";  // put before the name of a field
};

/// Throws Error naming `file` when fields contradict each other or a number is not usable (zero, NaN, out of ConfigLimits).
void check(const ModelConfig& config, const std::string& file, const FieldNames& names = {});

/// A tensor that a model must have. Vectors have one row.
struct TensorSpec {
  std::string name;
  int rows = 0;
  int cols = 0;
};

/// Every tensor of such a model: "model.embed_tokens.weight" (vocab, hidden), "model.layers.0.self_attn.q_proj.weight" (q_width, hidden),
/// and so on; "lm_head.weight" only if the embeddings are not tied.
std::vector<TensorSpec> expected_tensors(const ModelConfig& config);

}  // namespace vernier::model
