#include "evaluate/score.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "vernier/core/error.hpp"

namespace vernier::evaluate {
namespace {

/// log(sum(exp(x))). Throws Error at NaN: a score over broken logits would mean nothing.
double log_sum_exp(std::span<const float> x) {
  float largest = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) fail("vernier-evaluate", "logit ", i, " is NaN");
    largest = std::max(largest, x[i]);
  }
  double sum = 0;
  for (float value : x) sum += std::exp(static_cast<double>(value) - static_cast<double>(largest));
  return static_cast<double>(largest) + std::log(sum);
}

Estimate mean(const std::vector<double>& values) {
  if (values.empty()) return {};
  double sum = 0, squares = 0;
  for (double v : values) sum += v;
  const double n = static_cast<double>(values.size()), average = sum / n;
  for (double v : values) squares += (v - average) * (v - average);
  return {average, n > 1 ? std::sqrt(squares / (n - 1) / n) : 0};
}

std::size_t argmax(std::span<const float> x) { return static_cast<std::size_t>(std::max_element(x.begin(), x.end()) - x.begin()); }

}  // namespace

void Score::add(std::span<const float> logits, int next) {
  if (next < 0) return;
  losses_.push_back(log_sum_exp(logits) - static_cast<double>(logits[static_cast<std::size_t>(next)]));
}

void Score::add(std::span<const float> logits, std::span<const float> baseline, int next) {
  add(logits, next);
  const double z = log_sum_exp(logits), base_z = log_sum_exp(baseline);
  double kl = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double log_p = static_cast<double>(baseline[i]) - base_z;
    const double p = std::exp(log_p);
    if (p > 0) kl += p * (log_p - (static_cast<double>(logits[i]) - z));
  }
  kls_.push_back(kl);
  agreed_ += argmax(logits) == argmax(baseline);
}

Estimate Score::perplexity() const {
  const Estimate loss = mean(losses_);
  return {std::exp(loss.value), std::exp(loss.value) * loss.error};
}

Estimate Score::kl() const { return mean(kls_); }

double Score::kl_quantile(double share) const {
  if (kls_.empty()) return 0;
  std::vector<double> sorted = kls_;
  const std::size_t at = std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())));
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(at), sorted.end());
  return sorted[at];
}

Estimate Score::top1() const {
  if (kls_.empty()) return {};
  const double n = static_cast<double>(kls_.size()), share = static_cast<double>(agreed_) / n;
  return {share, std::sqrt(share * (1 - share) / n)};
}

}  // namespace vernier::evaluate
