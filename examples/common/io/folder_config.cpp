// LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM and Qwen3ForCausalLM. What a field means when it is absent differs between
// them; those defaults are in the table below and nowhere else.
#include "common/io/folder_config.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <limits>

#include "common/io/json_fields.hpp"
#include "common/io/mapped_file.hpp"
#include "common/io/names.hpp"
#include "vernier/core/error.hpp"

namespace vernier::io {

using model::ConfigLimits;
using model::ModelConfig;
using model::RopeKind;

namespace {

constexpr std::size_t max_config = 1u << 20;

// transformers' defaults for what a config.json may lack. 0 stands for "derived".
struct Family {
  const char* class_name;
  const char* name;
  int kv_heads;  // 0: as many as heads
  int head_dim;  // 0: hidden / heads
  int context;
  int sliding_window;  // if the field is absent, not null
  bool window_switch;  // use_sliding_window decides, and max_window_layers
  bool qkv_bias;       // always; otherwise attention_bias decides where has_bias_field
  bool has_bias_field;
  bool qk_norm;
  int bos, eos;  // -1: none
};

constexpr std::array<Family, 4> families{{
    {"LlamaForCausalLM", "llama", 0, 0, 2048, 0, false, false, true, false, 1, 2},
    {"MistralForCausalLM", "mistral", 8, 0, 4096 * 32, 4096, false, false, false, false, 1, 2},
    {"Qwen2ForCausalLM", "qwen2", 32, 0, 32768, 4096, true, true, false, false, -1, -1},
    {"Qwen3ForCausalLM", "qwen3", 32, 128, 32768, 4096, true, false, true, true, -1, -1},
}};

const Family& family_of(const JsonFields& fields) {
  const std::vector<std::string> names = fields.texts("architectures");
  if (names.size() > 1) fail(fields.file(), "architectures has ", names.size(), " entries, expected one");
  for (const Family& family : families) {
    if (names.empty() ? fields.text_or("model_type", "") == family.name : names[0] == family.class_name) return family;
  }
  const std::string found =
      names.empty() ? "model_type = " + quoted(fields.text_or("model_type", "")) : "architectures = " + quoted(names[0]);
  fail(fields.file(), found, ", expected LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM or Qwen3ForCausalLM");
}

void refuse_variants(const JsonFields& fields) {
  if (const std::string act = fields.text_or("hidden_act", "silu"); act != "silu") fields.fail_field("hidden_act", "\"silu\"");
  if (fields.flag_or("mlp_bias", false)) fields.fail_field("mlp_bias", "false; biases in the feed-forward part are not supported");
  if (fields.positive_or("partial_rotary_factor", 1) != 1)
    fields.fail_field("partial_rotary_factor", "1; partial rotation is not supported");
  if (const auto quantized = fields.object("quantization_config")) {
    fail(fields.file(), "quantization_config.quant_method = ", quoted(quantized->text_or("quant_method", "")),
         ": quantised weights are not supported, expected F32, F16 or BF16");
  }
}

// Both styles: rope_theta with rope_scaling {type or rope_type, ...}, and rope_parameters, which holds rope_theta too.
void read_rope(const JsonFields& fields, ModelConfig& config) {
  model::Rope& rope = config.rope;
  const auto scaling = fields.object(fields.has("rope_scaling") ? "rope_scaling" : "rope_parameters");
  rope.theta = fields.positive_or("rope_theta", 10000);
  if (!scaling) return;
  for (const char* layer_type : {"full_attention", "sliding_attention"}) {
    if (scaling->has(layer_type)) scaling->fail_field(layer_type, "no entry; rotary parameters by layer type are not supported");
  }
  rope.theta = scaling->positive_or("rope_theta", rope.theta);
  if (scaling->positive_or("partial_rotary_factor", 1) != 1)
    scaling->fail_field("partial_rotary_factor", "1; partial rotation is not supported");
  const char* kind_field = scaling->has("rope_type") ? "rope_type" : "type";
  const std::string kind = scaling->text_or(kind_field, "default");
  if (kind == "default") return;
  if (kind != "linear" && kind != "llama3") scaling->fail_field(kind_field, "\"default\", \"linear\" or \"llama3\"");
  rope.factor = scaling->positive("factor");
  rope.kind = kind == "linear" ? RopeKind::linear : RopeKind::llama3;
  if (rope.kind == RopeKind::linear) return;
  rope.low_freq_factor = scaling->positive("low_freq_factor");
  rope.high_freq_factor = scaling->positive("high_freq_factor");
  const char* original = "original_max_position_embeddings";
  rope.original_context = scaling->integer_or(original, 1, ConfigLimits::context, config.context);
  rope.original_context = fields.integer_or(original, 1, ConfigLimits::context, rope.original_context);  // the outer one wins
}

void read_window(const JsonFields& fields, const Family& family, bool absent, ModelConfig& config) {
  if (family.sliding_window == 0 || (family.window_switch && !fields.flag_or("use_sliding_window", false))) return;
  config.sliding_window = fields.integer_or("sliding_window", 1, ConfigLimits::context, absent ? family.sliding_window : 0);
  if (!family.window_switch || config.sliding_window == 0) return;
  const int full = fields.integer_or("max_window_layers", 0, std::numeric_limits<int>::max(), 28);
  const std::vector<std::string> types = fields.texts("layer_types");
  if (!types.empty() && types.size() != static_cast<std::size_t>(config.layers)) {
    fail(fields.file(), "layer_types has ", types.size(), " entries, expected num_hidden_layers = ", config.layers);
  }
  for (int layer = 0; layer < config.layers; ++layer) {
    if (types.empty()) {
      config.full_attention.push_back(layer < full);
      continue;
    }
    const std::string& type = types[static_cast<std::size_t>(layer)];
    if (type != "full_attention" && type != "sliding_attention") {
      fail(fields.file(), "layer_types[", layer, "] = ", quoted(type), ", expected full_attention or sliding_attention");
    }
    config.full_attention.push_back(type == "full_attention");
  }
}

void read_heads(const JsonFields& fields, const Family& family, bool kv_absent, ModelConfig& config) {
  config.heads = fields.integer("num_attention_heads", 1, ConfigLimits::heads);
  const int kv_fallback = kv_absent && family.kv_heads != 0 ? family.kv_heads : config.heads;
  config.kv_heads = fields.integer_or("num_key_value_heads", 1, ConfigLimits::heads, kv_fallback);
  if (config.heads % config.kv_heads != 0) {
    fail(fields.file(), "num_attention_heads = ", config.heads, ", expected a multiple of num_key_value_heads = ", config.kv_heads);
  }
  if (!fields.has("head_dim") && family.head_dim == 0 && config.hidden % config.heads != 0) {
    fail(fields.file(), "hidden_size = ", config.hidden, ", expected a multiple of num_attention_heads = ", config.heads,
         " since there is no head_dim");
  }
  config.head_dim =
      fields.integer_or("head_dim", 1, ConfigLimits::head_dim, family.head_dim != 0 ? family.head_dim : config.hidden / config.heads);
}

}  // namespace

ModelConfig parse_folder_config(const std::string& file, std::string_view text) {
  const JsonDocument document(file, text);
  const JsonFields fields(document.root(), file);
  const auto absent = [&](const char* name) { return document.root().if_contains(name) == nullptr; };
  const Family& family = family_of(fields);
  refuse_variants(fields);
  ModelConfig config;
  config.architecture = family.name;
  config.layers = fields.integer("num_hidden_layers", 1, ConfigLimits::layers);
  config.hidden = fields.integer("hidden_size", 1, ConfigLimits::hidden);
  config.ffn = fields.integer("intermediate_size", 1, ConfigLimits::ffn);
  config.vocab = fields.integer("vocab_size", 1, ConfigLimits::vocab);
  config.context = fields.integer_or("max_position_embeddings", 1, ConfigLimits::context, family.context);
  config.norm_eps = static_cast<float>(fields.positive_or("rms_norm_eps", 1e-6));
  read_heads(fields, family, absent("num_key_value_heads"), config);
  read_rope(fields, config);
  read_window(fields, family, absent("sliding_window"), config);
  const bool bias = family.has_bias_field && fields.flag_or("attention_bias", false);
  config.attention_bias = family.qkv_bias || bias;
  config.attention_output_bias = bias;
  config.qk_norm = family.qk_norm;
  config.tied_embeddings = fields.flag_or("tie_word_embeddings", false);
  const int last = config.vocab - 1;
  config.bos = fields.integer_or("bos_token_id", -1, last, absent("bos_token_id") && family.bos <= last ? family.bos : -1);
  config.eos = fields.integers("eos_token_id", 0, last);
  if (absent("eos_token_id") && family.eos != -1 && family.eos <= last) config.eos = {family.eos};
  const char* rope = fields.has("rope_scaling") ? "rope_scaling." : "rope_parameters.";
  model::check(config, file,
               {.heads = "num_attention_heads",
                .kv_heads = "num_key_value_heads",
                .head_dim = "head_dim",
                .norm_eps = "rms_norm_eps",
                .rope = rope});
  return config;
}

ModelConfig read_folder_config(const std::string& folder) {
  const std::string file = folder + "/config.json";
  ModelConfig config = parse_folder_config(file, read_text_file(file, max_config));
  // What ends a text is generation's business where it has an opinion: chat models list their end-of-turn token only there.
  const std::string generation = folder + "/generation_config.json";
  struct stat status {};
  if (::stat(generation.c_str(), &status) != 0) return config;
  const JsonDocument document = JsonDocument::read(generation, max_config);
  const JsonFields fields(document.root(), generation);
  if (fields.has("eos_token_id")) config.eos = fields.integers("eos_token_id", 0, config.vocab - 1);
  return config;
}

}  // namespace vernier::io
