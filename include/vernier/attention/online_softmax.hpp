// The state of a softmax-weighted sum that has seen only some of its keys, and how two such states become one. It is what lets a long
// sequence be cut into splits that different threads work on. Exponentials are powers of two: scores come multiplied by log2(e).
#pragma once

#include <cmath>
#include <limits>

namespace vernier {

/// max: the largest score seen; sum: of 2^(score - max) over the keys seen; acc[i]: of 2^(score - max) * value[i]. acc is kept outside.
/// A state that has seen no key is {-inf, 0, zeros}; one that has seen a NaN has a NaN sum and keeps it.
struct OnlineSoftmax {
  float max = -std::numeric_limits<float>::infinity();
  float sum = 0;

  bool empty() const { return sum == 0 && max == -std::numeric_limits<float>::infinity(); }

  /// Adds the keys of `other`, whose accumulator is `other_acc`, to this state and its `acc`; both accumulators have n elements.
  /// Merging with an empty state changes no bit. The order matters for rounding: attention merges in ascending order of keys.
  void merge(float* acc, const OnlineSoftmax& other, const float* other_acc, int n) {
    if (other.empty()) return;
    if (empty()) {
      *this = other;
      for (int i = 0; i < n; ++i) acc[i] = other_acc[i];
      return;
    }
    const float lower = max > other.max ? other.max - max : max - other.max, factor = std::exp2(lower);
    const float mine = max > other.max ? 1.0f : factor, theirs = max > other.max ? factor : 1.0f;
    max = max > other.max ? max : other.max;
    sum = sum * mine + other.sum * theirs;
    for (int i = 0; i < n; ++i) acc[i] = acc[i] * mine + other_acc[i] * theirs;
  }

  /// out[i] = the weighted mean; zeros when no key was seen.
  void finish(const float* acc, float* out, int n) const {
    const float inverse = empty() ? 0.0f : 1.0f / sum;
    for (int i = 0; i < n; ++i) out[i] = acc[i] * inverse;
  }
};

}  // namespace vernier
