// What tests share: seeded inputs, and a comparison that names the worst element. Bounds are the test's business and are derived there.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace vernier::test {

/// `count` normal values of standard deviation `sigma`; the same for the same seed on every machine.
inline std::vector<float> normal(std::size_t count, unsigned seed, float sigma = 1.0f) {
  std::mt19937 bits(seed);
  std::vector<float> values(count);
  for (float& value : values) {  // Box-Muller by hand: std::normal_distribution differs between standard libraries
    const double u = (static_cast<double>(bits()) + 1.0) / 4294967297.0, v = static_cast<double>(bits()) / 4294967296.0;
    value = sigma * static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v));
  }
  return values;
}

/// The element that exceeds its bound the most. excess <= 0 means that all are within; a NaN on one side alone always exceeds.
struct Worst {
  double excess = -INFINITY;
  std::size_t index = 0;
  double want = 0, got = 0, bound = 0;

  void add(std::size_t i, double want_, double got_, double bound_) {
    const bool same = want_ == got_ || (std::isnan(want_) && std::isnan(got_));
    const double distance = std::abs(want_ - got_);
    const double over = same ? -bound_ : (distance <= bound_ ? distance - bound_ : (std::isnan(distance) ? INFINITY : distance - bound_));
    if (over > excess || excess == -INFINITY) *this = {over, i, want_, got_, bound_};
  }

  std::string text() const {
    return "worst at " + std::to_string(index) + ": want " + std::to_string(want) + ", got " + std::to_string(got) + ", bound " +
           std::to_string(bound);
  }
};

}  // namespace vernier::test
