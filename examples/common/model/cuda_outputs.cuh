// What a forward on a CUDA device gives, on its way to the host: a token is four bytes, logits are what only those get who ask for them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "common/model/cuda_state.cuh"
#include "common/model/output.hpp"
#include "vernier/cuda/memory.cuh"
#include "vernier/cuda/stream.cuh"

namespace vernier::model {

class CudaOutputs {
 public:
  /// Waits for the step, and hands its results out. Logits live here until the next call.
  void fetch(const CudaStep& step, const cuda::OwnedStream& stream) {
    const std::span<Output> outputs = step.results;
    const auto vocabulary = static_cast<std::size_t>(step.logits.cols);
    const auto rows = std::count_if(outputs.begin(), outputs.end(), [](const Output& output) { return output.sampler == nullptr; });
    ids_.reserve_discard(outputs.size());
    logits_.reserve_discard(static_cast<std::size_t>(rows) * vocabulary);
    if (step.samples) cuda::download<int>(step.sample.ids, {ids_.data(), outputs.size()}, stream);
    float* to = logits_.data();
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].sampler != nullptr) continue;
      outputs[i].logits = {to, vocabulary};
      cuda::download<float>(step.logits.row(static_cast<int>(i)), outputs[i].logits, stream);
      to += vocabulary;
    }
    stream.synchronize();
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].sampler == nullptr) continue;
      outputs[i].token = ids_.data()[i];
      outputs[i].error = outputs[i].token == cuda::no_token ? unusable : "";
    }
  }

 private:
  static constexpr const char* unusable =
      "vernier::cuda::sample: a logit is NaN or infinite, or no token is allowed; there is no distribution";

  cuda::PinnedBuffer<int> ids_;
  cuda::PinnedBuffer<float> logits_;
};

}  // namespace vernier::model
