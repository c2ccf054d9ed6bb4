// What tests want of a forward: logits of all tokens, in one array.
#pragma once

#include <span>
#include <vector>

#include "common/model/output.hpp"

namespace vernier::test {

/// Outputs that want the logits of the first `count` tokens of a batch.
inline std::vector<model::Output> logits_of(int count) {
  std::vector<model::Output> outputs(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) outputs[static_cast<std::size_t>(i)].row = i;
  return outputs;
}

/// The logits of outputs without a sampler, after the forward: (outputs, vocab).
inline std::vector<float> joined(std::span<const model::Output> outputs) {
  std::vector<float> all;
  for (const model::Output& output : outputs) all.insert(all.end(), output.logits.begin(), output.logits.end());
  return all;
}

}  // namespace vernier::test
