// What is wanted of a forward: the next token of a sequence, or logits.
#pragma once

#include <span>
#include <string>

#include "vernier/core/error.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/ops/sample.hpp"

namespace vernier::model {

/// One token of the batch, and what comes of it. With a sampler the token that follows is chosen, where the logits are: on a CUDA device
/// they do not leave it. Without one the logits come to the host. A row may have several outputs, with samplers that draw differently.
struct Output {
  int row = 0;                      // in the list of the batch's tokens
  ops::Sampler* sampler = nullptr;  // is not told of the token: accept() is the caller's

  // Written by the forward:
  int token = -1;             // -1 where none can be chosen, and then
  std::string error{};        // says why
  std::span<float> logits{};  // (vocab), without a sampler: in the model's memory, until its next forward
};

/// Outputs whose logits are on the host. logits: (outputs, vocab); rows with a sampler are changed.
inline void finish_on_host(std::span<Output> outputs, const MatrixView<float>& logits) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    Output& output = outputs[i];
    output.error.clear();
    const std::span<float> row(logits.row(static_cast<int>(i)), static_cast<std::size_t>(logits.cols));
    if (output.sampler == nullptr) {
      output.logits = row;
      continue;
    }
    try {
      output.token = output.sampler->sample(row);
    } catch (const Error& e) {
      output.token = -1;
      output.error = e.what();
    }
  }
}

}  // namespace vernier::model
