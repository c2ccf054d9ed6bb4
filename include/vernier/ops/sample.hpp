// From logits to the next token: penalties, temperature, top-k, top-p, min-p and a seeded draw. One Sampler belongs to one answer.
// The same logits, options, seed and history give the same token on every machine and whatever else is in the batch.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "vernier/ops/logits.hpp"
#include "vernier/ops/nucleus.hpp"
#include "vernier/ops/random.hpp"
#include "vernier/ops/sample_row.hpp"

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

/// Chooses the tokens of one answer, and remembers those for the penalties. A warm one allocates nothing, but for the memory of tokens that
/// are new to the penalties, which doubles as it grows.
class Sampler {
 public:
  /// `stream` numbers the answers of one request, so that they differ under one seed. Throws Error on impossible options.
  explicit Sampler(SampleOptions options, std::uint32_t stream = 0) : options_(std::move(options)), stream_(stream) {
    detail::expect_options(options_);
    std::stable_sort(options_.logit_bias.begin(), options_.logit_bias.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
  }

  /// logit_bias is sorted by token.
  const SampleOptions& options() const { return options_; }

  /// Tells of tokens of the prompt; only the repetition penalty looks at them.
  void accept_prompt(std::span<const int> ids) {
    if (options_.repetition_penalty == 1.0f) return;
    for (int id : ids) seen_.push_back({id, 0});
    std::sort(seen_.begin(), seen_.end(), [](const Seen& a, const Seen& b) { return a.id != b.id ? a.id < b.id : a.count > b.count; });
    seen_.erase(std::unique(seen_.begin(), seen_.end(), [](const Seen& a, const Seen& b) { return a.id == b.id; }), seen_.end());
  }

  /// Tells of a token of the answer. The number of tokens accepted is the index of the next draw.
  void accept(int id) {
    ++accepted_;
    if (!penalises()) return;
    const auto at = std::lower_bound(seen_.begin(), seen_.end(), id, [](const Seen& seen, int other) { return seen.id < other; });
    if (at != seen_.end() && at->id == id)
      ++at->count;
    else
      seen_.insert(at, {id, 1});
  }

  /// The next token. logits: (vocabulary), changed by bias and penalties. Does not accept the token.
  /// Throws Error on NaN or +infinity, when no token is left, or when a biased token is outside the vocabulary.
  int sample(std::span<float> logits) {
    adjust(logits);
    if (options_.temperature == 0) return argmax(logits);
    const float greatest = detail::checked_max(logits);
    const double draw = next_draw();
    if (options_.top_k > 0 && static_cast<std::size_t>(options_.top_k) < logits.size()) {
      keep_of_top_k(logits, greatest);
      return draw_from_kept(draw);
    }
    const float temperature = options_.temperature;  // in a register: for the compiler the row might alias the member
    for (float& x : logits) x = exp((x - greatest) / temperature);
    if (options_.top_p >= 1 && options_.min_p <= 0) return detail::draw_by_weight(logits, draw, blocks_);
    keep_of_all(logits);
    return draw_from_kept(draw);
  }

  /// The number that decides the next draw, in [0, 1).
  double next_draw() const { return uniform(options_.seed, stream_, accepted_); }

  /// Most adjustments that row() writes now.
  std::size_t most_adjustments() const { return options_.logit_bias.size() + seen_.size(); }

  /// What sample() would do to a row of `vocabulary` logits, for who does it elsewhere. Writes to `adjustments`, which has room for the
  /// most; first_adjustment is left to whoever knows where they are. Throws Error when a biased token is outside the vocabulary.
  SampleRow row(int vocabulary, std::span<LogitAdjustment> adjustments) const {
    std::size_t count = 0;
    auto bias = options_.logit_bias.begin();
    const auto add_biases = [&](int end) {
      for (; bias != options_.logit_bias.end() && bias->first < end; ++bias) adjustments[count++] = {bias->first, bias->second, -1};
    };
    for (const Seen& seen : seen_) {
      if (seen.id < 0 || seen.id >= vocabulary) continue;
      add_biases(seen.id + 1);
      adjustments[count++] = {seen.id, 0.0f, seen.count};
    }
    add_biases(vocabulary);
    if (bias != options_.logit_bias.end())
      fail("vernier::ops::sample", "logit_bias names token ", bias->first, ", the vocabulary has ", vocabulary);
    return {.temperature = options_.temperature,
            .top_k = options_.top_k,
            .top_p = options_.top_p,
            .min_p = options_.min_p,
            .repetition_penalty = options_.repetition_penalty,
            .presence_penalty = options_.presence_penalty,
            .frequency_penalty = options_.frequency_penalty,
            .num_adjustments = static_cast<int>(count),
            .draw = next_draw()};
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
    for (const auto& [id, count] : seen_) {
      if (static_cast<std::size_t>(id) >= logits.size()) continue;
      float& x = logits[static_cast<std::size_t>(id)];
      x = x > 0 ? x / options_.repetition_penalty : x * options_.repetition_penalty;
      if (count > 0) x -= options_.presence_penalty + options_.frequency_penalty * static_cast<float>(count);
    }
  }

  /// Fills kept_ with what top-p and min-p leave of the top_k, best first.
  void keep_of_top_k(std::span<const float> logits, float greatest) {
    kept_.clear();
    double total = 0, held = 0;
    top_ids(logits, static_cast<std::size_t>(options_.top_k), best_);
    for (int id : best_) {
      kept_.push_back({id, exp((logits[static_cast<std::size_t>(id)] - greatest) / options_.temperature)});
      total += static_cast<double>(kept_.back().weight);
    }
    const double want = static_cast<double>(options_.top_p) * total;
    std::size_t count = 0;
    for (; count < kept_.size(); ++count) {
      if (count > 0 && (kept_[count].weight < options_.min_p || (options_.top_p < 1 && held >= want))) break;
      held += static_cast<double>(kept_[count].weight);
    }
    kept_.resize(count);
  }

  /// The same of the whole vocabulary, without sorting it: whole buckets of similar weights, and the best of the bucket in which the
  /// nucleus ends. weights: (vocabulary), the best has 1.
  void keep_of_all(std::span<const float> weights) {
    double above = 0, want = 0;
    const std::uint32_t border = options_.top_p < 1 ? detail::nucleus_border(weights, options_.top_p, buckets_, above, want) : 0;
    kept_.clear();
    edge_.clear();
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const float w = weights[i];
      const std::uint32_t bucket = detail::weight_bucket(w);
      if (w == 0 || w < options_.min_p || bucket < border) continue;
      (options_.top_p < 1 && bucket == border ? edge_ : kept_).push_back({static_cast<int>(i), w});
    }
    std::sort(edge_.begin(), edge_.end(),
              [](const Candidate& a, const Candidate& b) { return a.weight != b.weight ? a.weight > b.weight : a.id < b.id; });
    for (const Candidate& c : edge_) {
      if (!kept_.empty() && above >= want) break;
      kept_.push_back(c);
      above += static_cast<double>(c.weight);
    }
  }

  int draw_from_kept(double draw) const {
    double sum = 0;
    for (const Candidate& c : kept_) sum += static_cast<double>(c.weight);
    double left = draw * sum;
    for (const Candidate& c : kept_)
      if ((left -= static_cast<double>(c.weight)) < 0) return c.id;
    return kept_.back().id;
  }

  struct Candidate {
    int id = 0;
    float weight = 0;  // probability after temperature, against the best's
  };

  struct Seen {
    int id = 0;
    int count = 0;  // occurrences in the answer; 0 for a token of the prompt alone
  };

  SampleOptions options_;
  std::uint32_t stream_ = 0;
  std::uint64_t accepted_ = 0;
  std::vector<Seen> seen_;  // by ascending id
  std::vector<Candidate> kept_, edge_;
  std::vector<int> best_;
  std::vector<double> blocks_, buckets_;
};

}  // namespace vernier::ops
