// An exponential of plain float arithmetic, for SwiGLU and for the probabilities of sampling: it gives the same bits on every machine
// and inside every loop, and a compiler can vectorise the loop around it. Not for attention, which has its own range.
#pragma once

#include <cstdint>

#include "vernier/core/macros.hpp"
#include "vernier/core/math.hpp"

namespace vernier::ops {

/// e^x within 4 * 2^-24 of the true value, relatively; infinity above 88.72, and 0 below -87.33 where results would be
/// subnormal, which processors handle a hundred times slower. NaN stays NaN. No branch, no table, no library call.
///
/// x = n ln2 + r with |r| <= ln2 / 2; e^r by its Taylor series of degree 7, whose rest r^8 / 8! is below 6e-9.
VERNIER_HD constexpr float exp(float x) {
  constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, which is then in the low bits
  // ln2 in two parts; the upper one has 15 bits, so that its product with n is exact.
  constexpr float log2_e = 0x1.715476p+0f, ln2_upper = 0x1.62e4p-1f, ln2_lower = 0x1.7f7d1cp-20f;
  const float shifted = x * log2_e + magic;
  const float n = shifted - magic;
  const float r = (x - n * ln2_upper) - n * ln2_lower;

  float sum = 1.0f / 5040.0f;
  sum = sum * r + 1.0f / 720.0f;
  sum = sum * r + 1.0f / 120.0f;
  sum = sum * r + 1.0f / 24.0f;
  sum = sum * r + 1.0f / 6.0f;
  sum = sum * r + 0.5f;
  sum = sum * r + 1.0f;
  sum = sum * r + 1.0f;

  // Masks, because a compiler turns selections between constants into branches, and then finds no vectors. Both comparisons are false
  // for NaN.
  const std::uint32_t in_range = static_cast<std::uint32_t>(x < -87.33f) - 1u, too_big = 0u - static_cast<std::uint32_t>(x > 89.0f);
  // 2^n as a product of two powers: n reaches 128, beyond the exponents of a float. n + 256 is positive in range; out of range `power`
  // is anything but subnormal.
  const std::uint32_t biased = (float_bits(shifted) - float_bits(magic) + 256u) & in_range;
  const std::uint32_t first = biased >> 1, second = biased - first;
  const float power = sum * bits_float((first - 1u) << 23) * bits_float((second - 1u) << 23);  // 128 - 1 is the bias of the exponent
  return bits_float((float_bits(power) & in_range & ~too_big) | (0x7f800000u & too_big));
}

/// x / (1 + e^-x), also called swish.
VERNIER_HD constexpr float silu(float x) { return x / (1.0f + exp(-x)); }

}  // namespace vernier::ops
