// From logits to the next token: penalties, temperature, top-k, top-p, min-p and a seeded draw. One Sampler belongs to one answer.
// The same logits, options, seed and history give the same token on every machine and whatever else is in the batch.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "vernier/ops/logits.hpp"
#include "vernier/ops/random.hpp"

namespace vernier::ops {

/// How to choose a token. The defaults sample from the model's own distribution.
struct SampleOptions {
  float temperature = 1.0f;         // 0: greedy, the best token after bias and penalties
  int top_k = 0;                    // keep the k best; 0 (or more than the vocabulary): all
  float top_p = 1.0f;               // keep the best until they hold this much probability; always at least the best one
  float min_p = 0.0f;               // drop what is less probable than min_p times the best
  float repetition_penalty = 1.0f;  // tokens of prompt and answer: a positive logit divided by it, a negative one multiplied
  float presence_penalty = 0.0f;    // taken off the logit of each token of the answer
  float frequency_penalty = 0.0f;   // taken off once per occurrence in the answer
  std::vector<std::pair<int, float>> logit_bias{};  // (token, what is added); -infinity forbids a token
  std::uint64_t seed = 0;
};

namespace detail {

inline void expect_options(const SampleOptions& o) {
  constexpr const char* where = "vernier::ops::SampleOptions";
  const auto finite = [](float x) { return std::isfinite(x); };
  expect(finite(o.temperature) && o.temperature >= 0, where, "temperature = ", o.temperature, ", expected finite and at least 0");
  expect(o.top_k >= 0, where, "top_k = ", o.top_k, ", expected at least 0");
  expect(o.top_p >= 0 && o.top_p <= 1, where, "top_p = ", o.top_p, ", expected 0 to 1");
  expect(o.min_p >= 0 && o.min_p <= 1, where, "min_p = ", o.min_p, ", expected 0 to 1");
  expect(finite(o.repetition_penalty) && o.repetition_penalty > 0, where, "repetition_penalty = ", o.repetition_penalty,
         ", expected finite and positive");
  expect(finite(o.presence_penalty), where, "presence_penalty = ", o.presence_penalty, ", expected finite");
  expect(finite(o.frequency_penalty), where, "frequency_penalty = ", o.frequency_penalty, ", expected finite");
  for (const auto& [id, bias] : o.logit_bias)
    expect(id >= 0 && bias < INFINITY, where, "logit_bias has token ", id, " with ", bias, ", expected a token id and less than infinity");
}

}  // namespace detail

/// Chooses the tokens of one answer, and remembers those for the penalties.
class Sampler {
 public:
  /// `stream` numbers the answers of one request, so that they differ under one seed. Throws Error on impossible options.
  explicit Sampler(SampleOptions options, std::uint32_t stream = 0) : options_(std::move(options)), stream_(stream) {
    detail::expect_options(options_);
  }

  const SampleOptions& options() const { return options_; }

  /// Tells of tokens of the prompt; only the repetition penalty looks at them.
  void accept_prompt(std::span<const int> ids) {
    if (options_.repetition_penalty == 1.0f) return;
    for (int id : ids) seen_.try_emplace(id, 0);
  }

  /// Tells of a token of the answer. The number of tokens accepted is the index of the next draw.
  void accept(int id) {
    ++accepted_;
    if (penalises()) ++seen_[id];
  }

  /// The next token. logits: (vocabulary), changed by bias and penalties. Does not accept the token.
  /// Throws Error on NaN or +infinity, when no token is left, or when a biased token is outside the vocabulary.
  int sample(std::span<float> logits) {
    adjust(logits);
    if (options_.temperature == 0) return argmax(logits);
    const float greatest = detail::checked_max(logits);
    const double draw = uniform(options_.seed, stream_, accepted_);
    const std::size_t top_k = options_.top_k == 0 ? logits.size() : std::min(static_cast<std::size_t>(options_.top_k), logits.size());
    if (top_k == logits.size() && options_.top_p >= 1 && options_.min_p <= 0) return draw_in_id_order(logits, greatest, draw);
    return draw_from_best(logits, greatest, top_k, draw);
  }

 private:
  bool penalises() const {
    return options_.repetition_penalty != 1.0f || options_.presence_penalty != 0.0f || options_.frequency_penalty != 0.0f;
  }

  void adjust(std::span<float> logits) const {
    for (const auto& [id, bias] : options_.logit_bias) {
      expect(static_cast<std::size_t>(id) < logits.size(), "vernier::ops::sample", "logit_bias names token ", id, ", the vocabulary has ",
             logits.size());
      logits[static_cast<std::size_t>(id)] += bias;
    }
    if (!penalises()) return;
    for (const auto& [id, count] : seen_) {  // each token by itself, so the map's order does not matter
      if (static_cast<std::size_t>(id) >= logits.size()) continue;
      float& x = logits[static_cast<std::size_t>(id)];
      x = x > 0 ? x / options_.repetition_penalty : x * options_.repetition_penalty;
      if (count > 0) x -= options_.presence_penalty + options_.frequency_penalty * static_cast<float>(count);
    }
  }

  /// Unnormalised probability after temperature; the best token has 1, whatever the temperature.
  double weight(float logit, float greatest) const { return static_cast<double>(exp((logit - greatest) / options_.temperature)); }

  /// No filter: nothing needs sorting.
  int draw_in_id_order(std::span<float> logits, float greatest, double draw) const {
    double sum = 0;
    for (float& x : logits) x = exp((x - greatest) / options_.temperature);
    for (float x : logits) sum += static_cast<double>(x);
    double left = draw * sum;
    int last = 0;  // rounding may leave a crumb past the end; then the last possible token takes it
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] == 0) continue;
      last = static_cast<int>(i);
      left -= static_cast<double>(logits[i]);
      if (left < 0) break;
    }
    return last;
  }

  int draw_from_best(std::span<const float> logits, float greatest, std::size_t top_k, double draw) {
    keep_best(logits, greatest, top_k);
    double sum = 0;
    for (const Candidate& c : kept_) sum += c.weight;
    double left = draw * sum;
    for (const Candidate& c : kept_)
      if ((left -= c.weight) < 0) return c.id;
    return kept_.back().id;
  }

  /// Fills kept_, best first, with what top-k, then top-p, then min-p leave: at least the best token.
  void keep_best(std::span<const float> logits, float greatest, std::size_t top_k) {
    double total = 0;  // probability that top_p is a share of: of the top_k
    if (top_k == logits.size() && options_.top_p < 1)
      for (float x : logits) total += weight(x, greatest);
    // Without top_k the nucleus is usually small: look at the best 256 first, then at all.
    for (std::size_t count = top_k == logits.size() ? std::min<std::size_t>(256, top_k) : top_k;; count = top_k) {
      kept_.clear();
      for (int id : top_ids(logits, count)) kept_.push_back({id, weight(logits[static_cast<std::size_t>(id)], greatest)});
      if (top_k < logits.size()) {
        total = 0;
        for (const Candidate& c : kept_) total += c.weight;
      }
      if (cut(total) || count == top_k) return;
    }
  }

  /// Shortens kept_ to the nucleus and to min-p. False if the cut may lie beyond it.
  bool cut(double total) {
    const double want = static_cast<double>(options_.top_p) * total;
    double sum = 0;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      const bool improbable = kept_[i].weight < static_cast<double>(options_.min_p) || kept_[i].weight == 0;
      if (i > 0 && (improbable || (options_.top_p < 1 && sum >= want))) {
        kept_.resize(i);
        return true;
      }
      sum += kept_[i].weight;
    }
    return options_.top_p < 1 && sum >= want;
  }

  struct Candidate {
    int id = 0;
    double weight = 0;
  };

  SampleOptions options_;
  std::uint32_t stream_ = 0;
  std::uint64_t accepted_ = 0;
  std::unordered_map<int, int> seen_;  // token -> occurrences in the answer; 0 for one of the prompt
  std::vector<Candidate> kept_;        // best first
};

}  // namespace vernier::ops
