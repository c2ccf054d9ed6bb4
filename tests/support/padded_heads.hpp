// A Llama with small heads as one with larger heads that computes the same, for kernels that have no small ones.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "common/model/rope_config.hpp"
#include "common/model/weights.hpp"
#include "vernier/core/error.hpp"
#include "vernier/quant/quantize.hpp"

namespace vernier::test {

/// Rows of heads of `from` elements as rows of heads of `to`, times `factor`: the two halves that rotate together are moved to the halves
/// of the larger head, the rest is zero. w: (heads * from, columns).
inline std::vector<float> pad_rows(const std::vector<float>& w, int columns, int from, int to, float factor) {
  const int heads = static_cast<int>(w.size()) / columns / from;
  std::vector<float> padded(static_cast<std::size_t>(heads) * static_cast<std::size_t>(to) * static_cast<std::size_t>(columns), 0.0f);
  for (int row = 0; row < heads * from; ++row) {
    const int in_head = row % from, half = in_head / (from / 2);
    const int target = row / from * to + half * (to / 2) + in_head % (from / 2);
    for (int c = 0; c < columns; ++c)
      padded[static_cast<std::size_t>(target) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(c)] =
          factor * w[static_cast<std::size_t>(row) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(c)];
  }
  return padded;
}

/// The same model with heads of `head_dim`. Exact, except for the angles, which are divided by a float: factors() below. Needs matrices in
/// a format without scales, no head norms, and head_dim 4^n times the model's, so that the scale of the scores can be a power of two.
inline std::shared_ptr<const model::Weights> pad_heads(const model::Weights& w, int head_dim) {
  const int from = w.config.head_dim;
  const float root = std::sqrt(static_cast<float>(head_dim / from));
  expect(!w.config.qk_norm && head_dim % from == 0 && root == std::floor(root), "pad_heads", "heads of ", from, " to ", head_dim);
  auto out = std::make_shared<model::Weights>(w);
  model::ModelConfig& c = out->config;
  c.head_dim = head_dim;
  c.rope.kind = model::RopeKind::explicit_factors;
  c.rope.factors.assign(static_cast<std::size_t>(head_dim / 2), 1.0f);
  const std::vector<double> turns = ops::rope_frequencies(model::rope_config(w.config));
  for (std::size_t i = 0; i < turns.size(); ++i)
    c.rope.factors[i] = static_cast<float>(std::pow(c.rope.theta, -2.0 * static_cast<double>(i) / head_dim) / turns[i]);

  const auto values = [](const model::Linear& linear) {
    const PackedMatrix& matrix = *linear.weight;
    std::vector<float> all(static_cast<std::size_t>(matrix.n()) * static_cast<std::size_t>(matrix.k()));
    dequantize(matrix, MatrixView<float>(all.data(), matrix.n(), matrix.k()));
    return all;
  };
  const auto rows = [&](const model::Linear& linear, float factor) {
    const PackedMatrix& matrix = *linear.weight;
    const std::vector<float> padded = pad_rows(values(linear), matrix.k(), from, head_dim, factor);
    const MatrixView<const float> view(padded.data(), static_cast<int>(padded.size()) / matrix.k(), matrix.k());
    return model::Linear{std::make_shared<const PackedMatrix>(quantize(view, matrix.format())),
                         linear.bias.empty() ? linear.bias : pad_rows(linear.bias, 1, from, head_dim, factor)};
  };
  const auto columns = [&](const model::Linear& linear) {  // of o: a row of heads as a column of them
    const PackedMatrix& matrix = *linear.weight;
    const int n = matrix.n(), k = matrix.k(), wide = k / from * head_dim;
    const std::vector<float> all = values(linear);
    std::vector<float> padded(static_cast<std::size_t>(n) * static_cast<std::size_t>(wide), 0.0f);
    for (int row = 0; row < n; ++row)
      for (int c0 = 0; c0 < k; ++c0)  // values are not rotated, but lie as pad_rows has put them
        padded[static_cast<std::size_t>(row * wide + c0 / from * head_dim + c0 % from / (from / 2) * (head_dim / 2) + c0 % (from / 2))] =
            all[static_cast<std::size_t>(row * k + c0)];
    return model::Linear{std::make_shared<const PackedMatrix>(quantize({padded.data(), n, wide}, matrix.format())), linear.bias};
  };
  for (model::LayerWeights& layer : out->layers) {
    layer.q = rows(layer.q, root);  // scores are divided by the root of the larger head
    layer.k = rows(layer.k, 1);
    layer.v = rows(layer.v, 1);
    layer.o = columns(layer.o);
  }
  return out;
}

}  // namespace vernier::test
