// Writes safetensors files and whole Hugging Face folders for tests. small_folder() makes a complete model of one layer.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "support/files.hpp"

namespace vernier::test {

struct SafetensorsWriter {
  struct Tensor {
    std::string name, dtype, shape;  // shape as JSON: "[2,3]"
    std::string data;
  };
  std::vector<Tensor> tensors;

  /// Adds a tensor of `rows` x `cols` floats of dtype F32, value i being i / 64; a vector if rows is 0.
  SafetensorsWriter& add(const std::string& name, int rows, int cols) {
    const auto count = static_cast<std::size_t>(rows == 0 ? cols : rows * cols);
    std::string data(count * sizeof(float), '\0');
    for (std::size_t i = 0; i < count; ++i) {
      const float value = static_cast<float>(i) / 64;
      std::memcpy(data.data() + i * sizeof value, &value, sizeof value);
    }
    const std::string shape = rows == 0 ? "[" + std::to_string(cols) + "]" : "[" + std::to_string(rows) + "," + std::to_string(cols) + "]";
    tensors.push_back({name, "F32", shape, data});
    return *this;
  }
  Tensor& at(const std::string& name) {
    for (Tensor& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    throw std::runtime_error("no tensor " + name);
  }
  SafetensorsWriter& erase(const std::string& name) {
    std::erase_if(tensors, [&](const Tensor& tensor) { return tensor.name == name; });
    return *this;
  }

  /// `header` with its length in front, then `data`.
  static std::string file(const std::string& header, const std::string& data) {
    const std::uint64_t length = header.size();
    std::string out(sizeof length, '\0');
    std::memcpy(out.data(), &length, sizeof length);
    return out + header + data;
  }
  std::string bytes() const {
    std::string header = R"({"__metadata__":{"format":"pt"})", data;
    for (const Tensor& tensor : tensors) {
      const std::size_t begin = data.size();
      data += tensor.data;
      header += ",\"" + tensor.name + "\":{\"dtype\":\"" + tensor.dtype + "\",\"shape\":" + tensor.shape + ",\"data_offsets\":[" +
                std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
    }
    return file(header + "}", data);
  }
};

/// The tensors of a model with one layer: hidden 32, 4 heads and 2 key-value heads of 8, feed-forward 64, vocabulary 12.
inline SafetensorsWriter small_tensors(bool tied = true) {
  SafetensorsWriter file;
  const std::string layer = "model.layers.0.";
  file.add("model.embed_tokens.weight", 12, 32).add(layer + "input_layernorm.weight", 0, 32).add(layer + "self_attn.q_proj.weight", 32, 32);
  file.add(layer + "self_attn.k_proj.weight", 16, 32).add(layer + "self_attn.v_proj.weight", 16, 32);
  file.add(layer + "self_attn.o_proj.weight", 32, 32).add(layer + "post_attention_layernorm.weight", 0, 32);
  file.add(layer + "mlp.gate_proj.weight", 64, 32).add(layer + "mlp.up_proj.weight", 64, 32).add(layer + "mlp.down_proj.weight", 32, 64);
  file.add("model.norm.weight", 0, 32);
  if (!tied) file.add("lm_head.weight", 12, 32);
  return file;
}

/// A config.json for small_tensors() with `changes` to its fields, as JSON text; an empty text removes the field.
inline std::string small_config(const std::vector<std::pair<std::string, std::string>>& changes = {}) {
  std::vector<std::pair<std::string, std::string>> fields{{"architectures", R"(["LlamaForCausalLM"])"},
                                                          {"hidden_size", "32"},
                                                          {"intermediate_size", "64"},
                                                          {"num_hidden_layers", "1"},
                                                          {"num_attention_heads", "4"},
                                                          {"num_key_value_heads", "2"},
                                                          {"vocab_size", "12"},
                                                          {"rms_norm_eps", "1e-5"},
                                                          {"max_position_embeddings", "64"},
                                                          {"tie_word_embeddings", "true"},
                                                          {"hidden_act", "\"silu\""},
                                                          {"rope_theta", "10000.0"}};
  for (const auto& [name, value] : changes) {
    std::erase_if(fields, [&, key = name](const auto& field) { return field.first == key; });
    if (!value.empty()) fields.emplace_back(name, value);  // an empty value removes the field
  }
  std::string out = "{";
  for (const auto& [name, value] : fields) out += (out.size() > 1 ? ",\n" : "\n") + ("\"" + name + "\": " + value);
  return out + "\n}";
}

/// A loadable folder.
inline void write_small_folder(const TemporaryFolder& folder) {
  folder.write("config.json", small_config());
  folder.write("model.safetensors", small_tensors().bytes());
}

}  // namespace vernier::test
