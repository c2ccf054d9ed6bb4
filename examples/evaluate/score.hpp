// How good predictions are: against the text (perplexity) and against another model's predictions (KL divergence, same top token).
// Everything is summed in double; one object per run.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace vernier::evaluate {

/// A mean with its standard error, sqrt(variance / n). Neighbouring tokens are taken as independent, as everybody does.
struct Estimate {
  double value = 0;
  double error = 0;
};

/// Collects positions one by one.
class Score {
 public:
  /// The model's logits at a position, and the token that really follows (-1 at the end of a sequence).
  void add(std::span<const float> logits, int next);

  /// The same with the logits of a baseline, for KL(baseline || model) and agreement.
  void add(std::span<const float> logits, std::span<const float> baseline, int next);

  /// exp of the mean negative log-likelihood; its error to first order.
  Estimate perplexity() const;
  Estimate kl() const;
  /// The KL below which a share of positions lies, for example 0.99.
  double kl_quantile(double share) const;
  /// Share of positions where both have the same most likely token.
  Estimate top1() const;

  std::size_t predicted() const { return losses_.size(); }
  std::size_t compared() const { return kls_.size(); }

 private:
  std::vector<double> losses_, kls_;
  std::size_t agreed_ = 0;
};

}  // namespace vernier::evaluate
