// The definition of correct for the ops, in double and in the plainest loops. For tests; nothing here is fast.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "vernier/ops/rope.hpp"
#include "vernier/ops/sample.hpp"

namespace vernier::reference {

/// One row of rms_norm. weight: as many as x.
inline std::vector<double> rms_norm(std::span<const double> x, std::span<const float> weight, double epsilon) {
  double squares = 0;
  for (double value : x) squares += value * value;
  const double root = std::sqrt(squares / static_cast<double>(x.size()) + epsilon);
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] / root * static_cast<double>(weight[i]);
  return y;
}

/// One head turned to `position`; frequencies: radians per position of each pair.
inline std::vector<double> rotate_head(std::span<const float> x, std::span<const double> frequencies, int position) {
  std::vector<double> y(x.begin(), x.end());
  const std::size_t half = frequencies.size();
  for (std::size_t i = 0; i < half; ++i) {
    const double angle = frequencies[i] * position, a = static_cast<double>(x[i]), b = static_cast<double>(x[i + half]);
    y[i] = a * std::cos(angle) - b * std::sin(angle);
    y[i + half] = b * std::cos(angle) + a * std::sin(angle);
  }
  return y;
}

/// x * sigmoid(x).
inline double silu(double x) { return x / (1.0 + std::exp(-x)); }

/// log softmax.
inline std::vector<double> log_softmax(std::span<const double> logits) {
  const double greatest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (double x : logits) sum += std::exp(x - greatest);
  std::vector<double> y;
  for (double x : logits) y.push_back(x - greatest - std::log(sum));
  return y;
}

namespace detail {

inline std::vector<double> penalised(std::span<const float> logits, const ops::SampleOptions& o, std::span<const int> prompt,
                                     std::span<const int> answer) {
  std::vector<double> x(logits.begin(), logits.end());
  for (const auto& [id, bias] : o.logit_bias) x[static_cast<std::size_t>(id)] += static_cast<double>(bias);
  for (std::size_t id = 0; id < x.size(); ++id) {
    const auto times = std::count(answer.begin(), answer.end(), static_cast<int>(id));
    const bool prompted = std::find(prompt.begin(), prompt.end(), static_cast<int>(id)) != prompt.end();
    const double repetition = static_cast<double>(o.repetition_penalty);
    if (times > 0 || prompted) x[id] = x[id] > 0 ? x[id] / repetition : x[id] * repetition;
    if (times > 0) x[id] -= static_cast<double>(o.presence_penalty) + static_cast<double>(o.frequency_penalty) * static_cast<double>(times);
  }
  return x;
}

}  // namespace detail

/// The probability with which each token is drawn, after bias, penalties, temperature, top-k, top-p and min-p, in that order.
inline std::vector<double> distribution(std::span<const float> logits, const ops::SampleOptions& o, std::span<const int> prompt = {},
                                        std::span<const int> answer = {}) {
  std::vector<double> x = detail::penalised(logits, o, prompt, answer);
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] > x[b]; });

  std::vector<double> p(x.size(), 0.0);
  if (o.temperature == 0) {
    p[order[0]] = 1;
    return p;
  }
  if (o.top_k > 0 && static_cast<std::size_t>(o.top_k) < order.size()) order.resize(static_cast<std::size_t>(o.top_k));
  double total = 0, held = 0, kept = 0;
  for (std::size_t id : order) total += p[id] = std::exp((x[id] - x[order[0]]) / static_cast<double>(o.temperature));
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const bool outside = o.top_p < 1 && held >= static_cast<double>(o.top_p) * total;
    held += p[order[rank]];
    if (rank > 0 && (outside || p[order[rank]] < static_cast<double>(o.min_p))) p[order[rank]] = 0;
    kept += p[order[rank]];
  }
  for (double& value : p) value /= kept;
  return p;
}

}  // namespace vernier::reference
