// Passes over one row of logits that sampling is made of: the greatest, the sum of exponentials, the best few, log-probabilities.
// Ties go to the lowest id everywhere, and every sum runs in an order that depends on the vocabulary alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "vernier/core/error.hpp"
#include "vernier/ops/exp.hpp"

namespace vernier::ops {

/// A token and its log-probability (natural logarithm).
struct TokenLogprob {
  int id = -1;
  float logprob = 0;
  friend constexpr bool operator==(const TokenLogprob&, const TokenLogprob&) = default;
};

namespace detail {

inline constexpr std::size_t logit_lanes = 16;

/// The greatest logit. Throws Error, naming the first culprit, if there is a NaN or +infinity, or if none is finite.
inline float checked_max(std::span<const float> logits) {
  constexpr const char* where = "vernier::ops::sample";
  float lanes[logit_lanes];
  std::uint32_t nan[logit_lanes] = {};
  std::fill(lanes, lanes + logit_lanes, -INFINITY);
  const auto look = [&](std::size_t j, float x) {
    lanes[j] = x > lanes[j] ? x : lanes[j];
    nan[j] |= x != x ? ~0u : 0u;
  };
  std::size_t i = 0;
  for (; i + logit_lanes <= logits.size(); i += logit_lanes)
    for (std::size_t j = 0; j < logit_lanes; ++j) look(j, logits[i + j]);
  for (std::size_t j = 0; i + j < logits.size(); ++j) look(j, logits[i + j]);
  const float greatest = *std::max_element(lanes, lanes + logit_lanes);
  const bool bad = std::any_of(nan, nan + logit_lanes, [](std::uint32_t n) { return n != 0; }) || greatest == INFINITY;
  if (bad) {
    const auto at = std::find_if(logits.begin(), logits.end(), [](float x) { return x != x || x == INFINITY; });
    fail(where, "the logit of token ", at - logits.begin(), " is ", *at, "; the model produced no usable distribution");
  }
  expect(greatest > -INFINITY, where, "all ", logits.size(), " logits are -infinity; no token is allowed");
  return greatest;
}

/// Sum over i of e^((logits[i] - greatest) / temperature), in double and in a fixed order.
inline double sum_of_exp(std::span<const float> logits, float greatest, float temperature = 1.0f) {
  double lanes[logit_lanes] = {};
  std::size_t i = 0;
  for (; i + logit_lanes <= logits.size(); i += logit_lanes) {
    float weights[logit_lanes];  // a loop of its own, or the compiler does not see the vectors
    for (std::size_t j = 0; j < logit_lanes; ++j) weights[j] = exp((logits[i + j] - greatest) / temperature);
    for (std::size_t j = 0; j < logit_lanes; ++j) lanes[j] += static_cast<double>(weights[j]);
  }
  for (std::size_t j = 0; i + j < logits.size(); ++j) lanes[j] += static_cast<double>(exp((logits[i + j] - greatest) / temperature));
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

}  // namespace detail

/// The token with the greatest logit. Throws Error on NaN, +infinity, or when every logit is -infinity.
inline int argmax(std::span<const float> logits) {
  const float greatest = detail::checked_max(logits);
  return static_cast<int>(std::find(logits.begin(), logits.end(), greatest) - logits.begin());
}

namespace detail {

/// For a count that is small against the vocabulary: a heap of the best so far, its worst in front. Blocks without a better logit
/// are passed over sixteen at a time. `better` orders ids.
template <class Better>
inline void top_by_heap(std::span<const float> logits, std::size_t count, const Better& better, std::vector<int>& best) {
  best.resize(count);
  std::iota(best.begin(), best.end(), 0);
  std::make_heap(best.begin(), best.end(), better);
  float least = logits[static_cast<std::size_t>(best.front())];
  const auto look = [&](std::size_t i) {
    if (!(logits[i] > least)) return;  // an equal one has a higher id and loses
    std::pop_heap(best.begin(), best.end(), better);
    best.back() = static_cast<int>(i);
    std::push_heap(best.begin(), best.end(), better);
    least = logits[static_cast<std::size_t>(best.front())];
  };
  std::size_t i = count;
  for (; i + logit_lanes <= logits.size(); i += logit_lanes) {
    std::uint32_t above = 0;
    for (std::size_t j = 0; j < logit_lanes; ++j) above |= logits[i + j] > least ? 1u : 0u;
    if (above == 0) continue;
    for (std::size_t j = 0; j < logit_lanes; ++j) look(i + j);
  }
  for (; i < logits.size(); ++i) look(i);
  std::sort_heap(best.begin(), best.end(), better);
}

}  // namespace detail

/// Fills `best` with the `count` best tokens (fewer if the vocabulary is smaller), best first, ties by lowest id. Allocates nothing where
/// `best` has room for them (from 512 on: for the vocabulary). The logits must not have NaN.
inline void top_ids(std::span<const float> logits, std::size_t count, std::vector<int>& best) {
  count = std::min(count, logits.size());
  const auto better = [&](int a, int b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  };
  best.clear();
  if (count == 0) return;
  if (count <= 512) return detail::top_by_heap(logits, count, better, best);
  best.resize(logits.size());
  std::iota(best.begin(), best.end(), 0);
  const auto end = best.begin() + static_cast<std::ptrdiff_t>(count);
  std::nth_element(best.begin(), end - 1, best.end(), better);
  std::sort(best.begin(), end, better);
  best.resize(count);
}

/// The same, returned.
inline std::vector<int> top_ids(std::span<const float> logits, std::size_t count) {
  std::vector<int> best;
  top_ids(logits, count, best);
  return best;
}

/// log softmax of a row, asked of single tokens. Keeps a view of the logits.
class Logprobs {
 public:
  /// Throws Error on NaN, +infinity, or when every logit is -infinity.
  explicit Logprobs(std::span<const float> logits)
      : logits_(logits), greatest_(detail::checked_max(logits)), log_sum_(std::log(detail::sum_of_exp(logits, greatest_))) {}

  float operator()(int id) const {
    return static_cast<float>(static_cast<double>(logits_[static_cast<std::size_t>(id)]) - static_cast<double>(greatest_) - log_sum_);
  }

  /// The `count` most probable tokens, best first.
  std::vector<TokenLogprob> top(std::size_t count) const {
    std::vector<TokenLogprob> out;
    for (int id : top_ids(logits_, count)) out.push_back({id, (*this)(id)});
    return out;
  }

 private:
  std::span<const float> logits_;
  float greatest_;
  double log_sum_;
};

}  // namespace vernier::ops
