// One table for the tensors outside the layers, one for those inside.
#include "common/io/gguf_names.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "vernier/core/error.hpp"

namespace vernier::io {

namespace {

struct Pair {
  std::string_view gguf, hugging_face;
};

constexpr std::array<Pair, 3> whole_names{{
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
}};

// Between the layer's number and the final ".weight" or ".bias".
constexpr std::array<Pair, 11> layer_names{{
    {"attn_norm", "input_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
}};

struct Style {
  std::string_view Pair::*name;
  std::string_view layer_prefix;
};
constexpr Style gguf_style{&Pair::gguf, "blk."}, hugging_face_style{&Pair::hugging_face, "model.layers."};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string translate(std::string_view name, const Style& from, const Style& to) {
  for (const Pair& pair : whole_names) {
    if (name == pair.*from.name) return std::string(pair.*to.name);
  }
  if (!name.starts_with(from.layer_prefix)) return std::string(name);
  const std::string_view rest = name.substr(from.layer_prefix.size());
  const auto digits = static_cast<std::size_t>(std::find_if_not(rest.begin(), rest.end(), is_digit) - rest.begin());
  const std::size_t dot = rest.rfind('.');
  if (digits == 0 || dot == rest.npos || dot <= digits || rest[digits] != '.') return std::string(name);
  for (const Pair& pair : layer_names) {
    if (rest.substr(digits + 1, dot - digits - 1) == pair.*from.name) {
      return concat(to.layer_prefix, rest.substr(0, digits), ".", pair.*to.name, rest.substr(dot));
    }
  }
  return std::string(name);
}

}  // namespace

std::string hugging_face_name(std::string_view gguf) { return translate(gguf, gguf_style, hugging_face_style); }
std::string gguf_name(std::string_view hugging_face) { return translate(hugging_face, hugging_face_style, gguf_style); }

}  // namespace vernier::io
