// Writes GGUF files for tests, valid ones and ones with a chosen defect: everything can be overridden before bytes() is called.
// small_llama() is a complete model of one layer that our loader accepts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace vernier::test {

/// The bytes of a little-endian number.
template <class T>
std::string raw(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

/// A string with its 64-bit length, as GGUF has it.
inline std::string gguf_string(std::string_view text) { return raw<std::uint64_t>(text.size()) + std::string(text); }

struct GgufWriter {
  struct Value {
    std::string key;
    std::uint32_t type = 0;
    std::string bytes;  // after the type
  };
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dims;  // the row length first
    std::uint32_t type = 0;
    std::string data;
    std::optional<std::uint64_t> offset;  // else where the data really is
  };

  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::optional<std::uint64_t> num_tensors, num_values;  // else how many there are
  std::uint64_t alignment = 32;
  std::vector<Value> values;
  std::vector<Tensor> tensors;

  /// Sets or replaces a value of any type.
  GgufWriter& set(const std::string& key, std::uint32_t type, std::string bytes) {
    erase(key);
    values.push_back({key, type, std::move(bytes)});
    return *this;
  }
  GgufWriter& erase(const std::string& key) {
    std::erase_if(values, [&](const Value& value) { return value.key == key; });
    return *this;
  }
  GgufWriter& u32(const std::string& key, std::uint32_t value) { return set(key, 4, raw(value)); }
  GgufWriter& f32(const std::string& key, float value) { return set(key, 6, raw(value)); }
  GgufWriter& flag(const std::string& key, bool value) { return set(key, 7, raw<std::uint8_t>(value)); }
  GgufWriter& text(const std::string& key, std::string_view value) { return set(key, 8, gguf_string(value)); }
  GgufWriter& array(const std::string& key, std::uint32_t type, std::uint64_t count, const std::string& elements) {
    return set(key, 9, raw(type) + raw(count) + elements);
  }
  GgufWriter& texts(const std::string& key, const std::vector<std::string>& elements) {
    std::string bytes;
    for (const std::string& element : elements) bytes += gguf_string(element);
    return array(key, 8, elements.size(), bytes);
  }

  /// Adds a tensor of floats, or of given bytes.
  GgufWriter& f32_tensor(const std::string& name, std::vector<std::uint64_t> dims, const std::vector<float>& data) {
    std::string bytes(data.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), data.data(), bytes.size());
    return tensor(name, std::move(dims), 0, std::move(bytes));
  }
  GgufWriter& tensor(const std::string& name, std::vector<std::uint64_t> dims, std::uint32_t type, std::string data) {
    tensors.push_back({name, std::move(dims), type, std::move(data), {}});
    return *this;
  }
  Tensor& tensor(const std::string& name) {
    for (Tensor& one : tensors) {
      if (one.name == name) return one;
    }
    throw std::runtime_error("no tensor " + name);
  }
  GgufWriter& erase_tensor(const std::string& name) {
    std::erase_if(tensors, [&](const Tensor& one) { return one.name == name; });
    return *this;
  }

  std::string bytes() const {
    std::string out = magic + raw(version) + raw(num_tensors.value_or(tensors.size())) + raw(num_values.value_or(values.size()));
    for (const Value& value : values) out += gguf_string(value.key) + raw(value.type) + value.bytes;
    std::string data;
    const auto pad = [this](std::string& text) { text.resize((text.size() + alignment - 1) / alignment * alignment); };
    for (const Tensor& one : tensors) {
      out += gguf_string(one.name) + raw(static_cast<std::uint32_t>(one.dims.size()));
      for (const std::uint64_t dim : one.dims) out += raw(dim);
      out += raw(one.type) + raw<std::uint64_t>(one.offset.value_or(data.size()));
      data += one.data;
      pad(data);
    }
    pad(out);
    return out + data;
  }
};

/// Sizes of small_llama().
struct SmallLlama {
  static constexpr int hidden = 32, heads = 4, kv_heads = 2, head_dim = 8, ffn = 64, vocab = 12, context = 64;
};

/// A valid model of architecture `arch` ("llama", "qwen2", "qwen3") with one layer; value i of every tensor is i / 64.
inline GgufWriter small_llama(const std::string& arch = "llama") {
  using S = SmallLlama;
  GgufWriter file;
  file.text("general.architecture", arch).u32(arch + ".block_count", 1).u32(arch + ".embedding_length", S::hidden);
  file.u32(arch + ".feed_forward_length", S::ffn).u32(arch + ".context_length", S::context).u32(arch + ".attention.head_count", S::heads);
  file.u32(arch + ".attention.head_count_kv", S::kv_heads).f32(arch + ".attention.layer_norm_rms_epsilon", 1e-5f);
  file.f32(arch + ".rope.freq_base", 10000.0f);
  std::vector<std::string> tokens;
  for (int i = 0; i < S::vocab; ++i) tokens.push_back(std::string(1, static_cast<char>('a' + i)));
  file.texts("tokenizer.ggml.tokens", tokens).u32("tokenizer.ggml.bos_token_id", 1).u32("tokenizer.ggml.eos_token_id", 2);

  const auto add = [&](const std::string& name, std::uint64_t cols, std::uint64_t rows) {
    std::vector<float> data(cols * rows);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i) / 64;
    file.f32_tensor(name, rows == 1 ? std::vector{cols} : std::vector{cols, rows}, data);
  };
  add("token_embd.weight", S::hidden, S::vocab);
  add("blk.0.attn_norm.weight", S::hidden, 1);
  add("blk.0.attn_q.weight", S::hidden, S::heads * S::head_dim);
  add("blk.0.attn_k.weight", S::hidden, S::kv_heads * S::head_dim);
  add("blk.0.attn_v.weight", S::hidden, S::kv_heads * S::head_dim);
  if (arch == "qwen2") {
    add("blk.0.attn_q.bias", S::heads * S::head_dim, 1);
    add("blk.0.attn_k.bias", S::kv_heads * S::head_dim, 1);
    add("blk.0.attn_v.bias", S::kv_heads * S::head_dim, 1);
  }
  if (arch == "qwen3") {
    add("blk.0.attn_q_norm.weight", S::head_dim, 1);
    add("blk.0.attn_k_norm.weight", S::head_dim, 1);
  }
  add("blk.0.attn_output.weight", S::heads * S::head_dim, S::hidden);
  add("blk.0.ffn_norm.weight", S::hidden, 1);
  add("blk.0.ffn_gate.weight", S::hidden, S::ffn);
  add("blk.0.ffn_up.weight", S::hidden, S::ffn);
  add("blk.0.ffn_down.weight", S::ffn, S::hidden);
  add("output_norm.weight", S::hidden, 1);
  return file;
}

}  // namespace vernier::test
