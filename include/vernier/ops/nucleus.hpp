// Draws over a whole vocabulary without sorting it: by blocks, and by buckets of similar weights. Parts of sample.hpp; a weight is a
// probability against the best token's, so it is between 0 and 1.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vernier/core/math.hpp"

namespace vernier::ops::detail {

inline constexpr std::size_t weight_block = 64;

/// Sum of the block of weights that starts at `begin`: eight chains of eight.
inline double block_sum(std::span<const float> weights, std::size_t begin) {
  float lanes[8] = {};
  const std::size_t end = std::min(weights.size(), begin + weight_block);
  std::size_t i = begin;
  for (; i + 8 <= end; i += 8)
    for (std::size_t j = 0; j < 8; ++j) lanes[j] += weights[i + j];
  for (std::size_t j = 0; i + j < end; ++j) lanes[j] += weights[i + j];
  double sum = 0;
  for (float lane : lanes) sum += static_cast<double>(lane);
  return sum;
}

/// The token at which the running sum of weights, in id order, passes draw * total. Never one of weight 0. blocks: scratch.
inline int draw_by_weight(std::span<const float> weights, double draw, std::vector<double>& blocks) {
  blocks.clear();
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); i += weight_block) sum += blocks.emplace_back(block_sum(weights, i));
  double left = draw * sum;
  std::size_t block = 0, chosen = 0;  // the last block with weight, if rounding leaves a crumb past the end
  for (; block < blocks.size(); ++block) {
    if (blocks[block] == 0) continue;
    chosen = block;
    if (left < blocks[block]) break;
    left -= blocks[block];
  }
  const std::size_t end = std::min(weights.size(), (chosen + 1) * weight_block);
  std::size_t last = 0;
  for (std::size_t i = chosen * weight_block; i < end; ++i) {
    if (weights[i] == 0) continue;
    last = i;
    if ((left -= static_cast<double>(weights[i])) < 0) break;
  }
  return static_cast<int>(last);
}

/// Buckets by exponent and the upper four bits of the mantissa: a wider weight is never in a lower bucket.
inline constexpr std::uint32_t num_weight_buckets = (0x3f800000u >> 19) + 1;
inline std::uint32_t weight_bucket(float weight) { return float_bits(weight) >> 19; }

/// The bucket in which the best tokens come to hold `top_p` of the whole. above: what the buckets over it hold; want: top_p in weight.
/// buckets: scratch.
inline std::uint32_t nucleus_border(std::span<const float> weights, float top_p, std::vector<double>& buckets, double& above,
                                    double& want) {
  buckets.assign(num_weight_buckets, 0.0);
  for (float w : weights) buckets[weight_bucket(w)] += static_cast<double>(w);
  double total = 0;
  for (double bucket : buckets) total += bucket;
  want = static_cast<double>(top_p) * total;
  above = 0;
  std::uint32_t border = num_weight_buckets - 1;
  while (border > 0 && above + buckets[border] < want) above += buckets[border--];
  return border;
}

}  // namespace vernier::ops::detail
