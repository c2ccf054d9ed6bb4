// The state of a softmax-weighted sum that has seen only some of its keys, and how two such states become one. It is what lets a long
// sequence be cut into splits that different threads work on. Exponentials are powers of two: scores come multiplied by log2(e).
#pragma once

#include <cmath>
#include <limits>

#include "vernier/core/macros.hpp"

namespace vernier {

/// max: the largest score seen; sum: of 2^(score - max) over the keys seen; acc[i]: of 2^(score - max) * value[i]. acc is kept outside.
/// A state that has seen no key is {-inf, 0, zeros}; one that has seen a NaN has a NaN sum and keeps it.
struct OnlineSoftmax {
  static constexpr float no_key = -std::numeric_limits<float>::infinity();
  float max = no_key;
  float sum = 0;

  VERNIER_HD bool empty() const { return sum == 0 && max == no_key; }

  /// How two states come under one maximum: one of them is multiplied by 2^exponent, with its accumulator.
  struct Shift {
    float exponent = no_key;
    bool shifts_mine = false;

    /// The two factors, given 2^exponent, which everyone computes in his own way.
    VERNIER_HD float mine(float power) const { return shifts_mine ? power : 1.0f; }
    VERNIER_HD float theirs(float power) const { return shifts_mine ? 1.0f : power; }
  };

  /// Takes the larger of the two maxima for this state.
  VERNIER_HD Shift take_max(const OnlineSoftmax& other) {
    if (other.empty()) return {no_key, false};
    const bool fresh = empty();
    const Shift shift = max > other.max && !fresh ? Shift{other.max - max, false} : Shift{fresh ? no_key : max - other.max, true};
    if (shift.shifts_mine) max = other.max;
    return shift;
  }

  /// Adds the keys of `other`, whose accumulator is `other_acc`, to this state and its `acc`; both accumulators have n elements.
  /// Merging with an empty state changes no bit. The order matters for rounding: attention merges in ascending order of keys.
  void merge(float* acc, const OnlineSoftmax& other, const float* other_acc, int n) {
    if (other.empty()) return;
    if (empty()) {
      *this = other;
      for (int i = 0; i < n; ++i) acc[i] = other_acc[i];
      return;
    }
    const Shift shift = take_max(other);
    const float power = std::exp2(shift.exponent), mine = shift.mine(power), theirs = shift.theirs(power);
    sum = sum * mine + other.sum * theirs;
    for (int i = 0; i < n; ++i) acc[i] = acc[i] * mine + other_acc[i] * theirs;
  }

  /// What the accumulator is multiplied by in the end.
  VERNIER_HD float inverse_sum() const { return empty() ? 0.0f : 1.0f / sum; }

  /// out[i] = the weighted mean; zeros when no key was seen.
  void finish(const float* acc, float* out, int n) const {
    const float inverse = inverse_sum();
    for (int i = 0; i < n; ++i) out[i] = acc[i] * inverse;
  }
};

}  // namespace vernier
