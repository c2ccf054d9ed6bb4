// A GGUF file as a checkpoint: architectures llama (which is also how Mistral is stored), qwen2 and qwen3.
#include <cmath>
#include <cstring>

#include "common/io/checkpoint.hpp"
#include "common/io/gguf_names.hpp"
#include "common/io/names.hpp"
#include "vernier/core/error.hpp"

namespace vernier::io {

namespace {

using model::ConfigLimits;
using model::ModelConfig;
using model::RopeKind;

// Reads the keys of one architecture: "llama." + name.
struct Keys {
  const Gguf& file;
  std::string prefix;

  std::string key(const char* name) const { return prefix + name; }
  bool has(const char* name) const { return file.has(key(name)); }

  int size(const char* name, int largest) const {
    const std::int64_t value = file.integer(key(name));
    if (value < 1 || value > largest) fail(file.path(), key(name), " = ", value, ", expected 1 to ", largest);
    return static_cast<int>(value);
  }
  int size_or(const char* name, int largest, int fallback) const { return has(name) ? size(name, largest) : fallback; }

  double positive(const char* name, double fallback) const {
    const double value = file.number_or(key(name), fallback);
    if (!(value > 0) || !std::isfinite(value)) fail(file.path(), key(name), " = ", value, ", expected a finite number above 0");
    return value;
  }

  double required_positive(const char* name) const {
    if (!has(name)) fail(file.path(), "the metadata key ", quoted(key(name)), " is missing");
    return positive(name, 0);
  }
};

void read_rope(const Keys& keys, ModelConfig& config) {
  const Gguf& file = keys.file;
  const int turned = keys.size_or("rope.dimension_count", ConfigLimits::head_dim, config.head_dim);
  if (turned != config.head_dim) {
    fail(file.path(), keys.key("rope.dimension_count"), " = ", turned, ", expected the head size ", config.head_dim,
         "; partial rotation is not supported");
  }
  config.rope.theta = keys.positive("rope.freq_base", 10000);
  const std::string_view scaling = file.text_or(keys.key("rope.scaling.type"), keys.has("rope.scale_linear") ? "linear" : "none");
  if (scaling == "linear") {
    config.rope.kind = RopeKind::linear;
    config.rope.factor = keys.positive(keys.has("rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear", 1);
  } else if (scaling != "none") {
    fail(file.path(), keys.key("rope.scaling.type"), " = ", quoted(scaling), ", expected \"none\" or \"linear\"");
  }
  const GgufTensor* factors = file.find_tensor("rope_freqs.weight");
  if (factors == nullptr) return;
  if (factors->type != StorageType::f32 || factors->values() != static_cast<std::uint64_t>(config.head_dim / 2)) {
    fail(file.path(), "rope_freqs.weight has ", factors->values(), " values of ", layout_of(factors->type).name, ", expected ",
         config.head_dim / 2, " of F32");
  }
  if (config.rope.kind != RopeKind::plain)
    fail(file.path(), "has both rope_freqs.weight and ", keys.key("rope.scaling.type"), " = ", quoted(scaling));
  config.rope.kind = RopeKind::explicit_factors;
  config.rope.factors.resize(static_cast<std::size_t>(factors->values()));
  std::memcpy(config.rope.factors.data(), factors->data.data(), factors->data.size());
}

void read_vocabulary(const Keys& keys, ModelConfig& config) {
  const Gguf& file = keys.file;
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr) fail(file.path(), "the tensor \"token_embd.weight\" is missing; a file with a vocabulary alone is not a model");
  const std::uint64_t rows = embedding->dims[1];
  if (rows > static_cast<std::uint64_t>(ConfigLimits::vocab))
    fail(file.path(), "token_embd.weight has ", rows, " rows, expected at most ", ConfigLimits::vocab);
  config.vocab = static_cast<int>(rows);
  const int stated = keys.size_or("vocab_size", ConfigLimits::vocab, config.vocab);
  if (stated != config.vocab)
    fail(file.path(), keys.key("vocab_size"), " = ", stated, ", but token_embd.weight has ", config.vocab, " rows");
  const std::size_t tokens = file.length("tokenizer.ggml.tokens");
  if (tokens != 0 && tokens != static_cast<std::size_t>(config.vocab)) {
    fail(file.path(), "tokenizer.ggml.tokens has ", tokens, " tokens, but token_embd.weight has ", config.vocab, " rows");
  }
  const auto token = [&](const char* key) {
    const std::int64_t id = file.integer_or(key, -1);
    if (id == -1 || id == 0xffffffff) return -1;  // how writers say that there is none
    if (id < 0 || id >= config.vocab) fail(file.path(), key, " = ", id, ", expected 0 to ", config.vocab - 1);
    return static_cast<int>(id);
  };
  config.bos = token("tokenizer.ggml.bos_token_id");
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    const int id = token(key);
    if (id != -1 && (config.eos.empty() || config.eos[0] != id)) config.eos.push_back(id);
  }
}

ModelConfig read_config(const Gguf& file) {
  ModelConfig config;
  config.architecture = std::string(file.text("general.architecture"));
  if (config.architecture != "llama" && config.architecture != "qwen2" && config.architecture != "qwen3") {
    fail(file.path(), "general.architecture = ", quoted(config.architecture), ", expected llama, qwen2 or qwen3");
  }
  const Keys keys{file, config.architecture + "."};
  if (const std::int64_t parts = file.integer_or("split.count", 1); parts != 1) {
    fail(file.path(), "split.count = ", parts, ": the model is split over several files, expected one; merge them first");
  }
  config.layers = keys.size("block_count", ConfigLimits::layers);
  config.hidden = keys.size("embedding_length", ConfigLimits::hidden);
  config.ffn = keys.size("feed_forward_length", ConfigLimits::ffn);
  config.context = keys.size("context_length", ConfigLimits::context);
  config.heads = keys.size("attention.head_count", ConfigLimits::heads);
  config.kv_heads = keys.size_or("attention.head_count_kv", ConfigLimits::heads, config.heads);
  if (!keys.has("attention.key_length") && config.hidden % config.heads != 0) {
    fail(file.path(), keys.key("embedding_length"), " = ", config.hidden, ", expected a multiple of ", keys.key("attention.head_count"),
         " = ", config.heads);
  }
  config.head_dim = keys.size_or("attention.key_length", ConfigLimits::head_dim, config.hidden / config.heads);
  const int value_dim = keys.size_or("attention.value_length", ConfigLimits::head_dim, config.head_dim);
  if (value_dim != config.head_dim) {
    fail(file.path(), keys.key("attention.value_length"), " = ", value_dim, ", expected the length of keys, ", config.head_dim);
  }
  if (keys.size_or("expert_count", ConfigLimits::heads, 0) != 0) {
    fail(file.path(), keys.key("expert_count"), " is set: mixtures of experts are not supported");
  }
  config.norm_eps = static_cast<float>(keys.required_positive("attention.layer_norm_rms_epsilon"));
  config.sliding_window = keys.size_or("attention.sliding_window", ConfigLimits::context, 0);
  config.tied_embeddings = file.find_tensor("output.weight") == nullptr;
  config.attention_bias = config.architecture == "qwen2" || file.find_tensor("blk.0.attn_q.bias") != nullptr;
  config.attention_output_bias = file.find_tensor("blk.0.attn_output.bias") != nullptr;
  config.qk_norm = config.architecture == "qwen3";
  read_rope(keys, config);
  read_vocabulary(keys, config);
  model::check(config, file.path(),
               {.heads = keys.key("attention.head_count"),
                .kv_heads = keys.key("attention.head_count_kv"),
                .head_dim = keys.key("attention.key_length"),
                .norm_eps = keys.key("attention.layer_norm_rms_epsilon"),
                .rope = "rope_freqs.weight, "});
  return config;
}

StoredTensor stored(const Gguf& file, const GgufTensor& tensor, const ModelConfig& config) {
  if (tensor.num_dims > 2) fail(file.path(), "tensor ", quoted(tensor.name), " has ", tensor.num_dims, " dimensions, expected at most 2");
  StoredTensor out;
  out.name = hugging_face_name(tensor.name);
  out.type = tensor.type;
  out.rows = static_cast<int>(tensor.dims[1]);
  out.cols = static_cast<int>(tensor.dims[0]);
  out.data = tensor.data.data();
  const bool turned = tensor.name.find(".attn_q.") != tensor.name.npos || tensor.name.find(".attn_k.") != tensor.name.npos;
  if (config.architecture == "llama" && turned) out.paired_head = config.head_dim;
  return out;
}

}  // namespace

CheckpointParts read_gguf_checkpoint(const std::string& path) {
  CheckpointParts parts;
  parts.path = path;
  parts.gguf = std::make_unique<Gguf>(MappedFile(path));
  parts.config = read_config(*parts.gguf);
  for (const GgufTensor& tensor : parts.gguf->tensors()) {
    if (tensor.name == "rope_freqs.weight") continue;  // became config.rope
    parts.tensors.push_back(stored(*parts.gguf, tensor, parts.config));
  }
  return parts;
}

}  // namespace vernier::io
