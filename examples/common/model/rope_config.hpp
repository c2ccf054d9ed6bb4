// The library's words for what the model's files say about rotary embeddings.
#pragma once

#include "common/model/config.hpp"
#include "vernier/ops/rope.hpp"

namespace vernier::model {

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

}  // namespace vernier::model
