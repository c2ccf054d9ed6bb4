// The arithmetic of sampling on a device: probabilities as integers, so that their sums are exact and come out the same in any order, which
// is what lets thousands of threads add them with atomics.
//
// The weight of a token is its probability against the best token's, 0 to 1. Its mass is that in units of 2^-44: exact for weights from
// 2^-21 on, below that less than a unit too small, and 0 below 2^-44, where a token is no longer drawn. A vocabulary of 2^19 tokens sums to
// at most 2^63, and its sum is too small by less than 2^-25 of the best token's weight.
#pragma once

#include <cstdint>

#include "vernier/core/macros.hpp"
#include "vernier/core/math.hpp"

namespace vernier::cuda {

using Mass = unsigned long long;  // what CUDA's 64-bit atomics take

/// Bits of a token id.
inline constexpr int sample_id_bits = 19;
inline constexpr int most_vocabulary = 1 << sample_id_bits;

namespace detail {

inline constexpr std::uint32_t least_mass_exponent = 127 - 44;  // of a float that is 2^-44

}  // namespace detail

/// The mass of a weight between 0 and 1.
VERNIER_HD constexpr Mass weight_mass(float weight) {
  const std::uint32_t bits = float_bits(weight), exponent = bits >> 23;
  if (exponent < detail::least_mass_exponent) return 0;
  return (static_cast<Mass>((bits & 0x7fffffu) | 0x800000u) << 21) >> (127 - exponent);
}

/// Buckets by exponent and the upper four bits of the mantissa, for weights that have a mass. A greater weight is never in a lower bucket.
inline constexpr int num_mass_buckets = 44 * 16 + 1;
VERNIER_HD constexpr int mass_bucket(float weight) {
  return static_cast<int>((float_bits(weight) >> 19) - (detail::least_mass_exponent << 4));
}
/// The upper 13 bits of the weights in a bucket.
VERNIER_HD constexpr std::uint32_t bucket_prefix(int bucket) {
  return static_cast<std::uint32_t>(bucket) + (detail::least_mass_exponent << 4);
}

/// The bits of a float in an order of unsigned numbers, both zeros as one. NaN is above everything, with either sign.
VERNIER_HD constexpr std::uint32_t ordered_bits(float x) {
  if (x != x) return 0xffffffffu;
  const std::uint32_t bits = float_bits(x + 0.0f);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}
VERNIER_HD constexpr float from_ordered_bits(std::uint32_t ordered) {
  return bits_float((ordered & 0x80000000u) != 0 ? ordered & 0x7fffffffu : ~ordered);
}

/// The upper half of a product.
VERNIER_HD constexpr Mass multiply_high(Mass a, Mass b) {
  constexpr Mass low = 0xffffffffu;
  const Mass cross = (a >> 32) * (b & low) + ((a & low) * (b & low) >> 32), other = (a & low) * (b >> 32) + (cross & low);
  return (a >> 32) * (b >> 32) + (cross >> 32) + (other >> 32);
}

/// The first unit of the mass that is drawn: fraction * total, rounded down. fraction: in [0, 1).
VERNIER_HD constexpr Mass drawn_unit(double fraction, Mass total) { return multiply_high(static_cast<Mass>(fraction * 0x1p64), total); }

/// The last unit of mass that belongs to the nucleus: it ends with the token that holds this unit. top_p: in [0, 1); total is not 0.
VERNIER_HD constexpr Mass last_unit_of_nucleus(float top_p, Mass total) {
  const std::uint32_t bits = float_bits(top_p), exponent = bits >> 23;
  if (exponent < 127 - 64) return 0;  // less than 2^-64: the best token alone
  const Mass fraction = (static_cast<Mass>((bits & 0x7fffffu) | 0x800000u) << 40) >> (126 - exponent);  // of 2^64
  const Mass below = multiply_high(fraction, total);
  return fraction * total == 0 && below != 0 ? below - 1 : below;  // where top_p * total is a whole number, one unit less
}

}  // namespace vernier::cuda
