// Encoding and decoding of small floating-point formats, written once for all of them and usable at compile time.
// The formats themselves (f16, bf16, e4m3, e5m2) are described in the files beside this one.
#pragma once

#include <cstdint>

#include "vernier/core/macros.hpp"
#include "vernier/core/math.hpp"

namespace vernier {

/// The layout of a sign-exponent-mantissa format: sign in the top bit, subnormals as in IEEE 754.
struct SmallFloat {
  int exponent_bits = 0;
  int mantissa_bits = 0;
  std::uint32_t max_code = 0;  // code of the largest finite magnitude
  std::uint32_t nan_code = 0;  // the NaN that encode() writes, without sign
  bool infinity = true;        // the code after max_code is infinity
  bool saturate = false;       // encode() turns overflow and infinity into the largest finite number instead of infinity

  // A format follows IEEE 754 in all that is not a field above: its bias is half its range of exponents, and the exponent field 0 means
  // subnormal numbers at the smallest exponent.
  VERNIER_HD constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  VERNIER_HD constexpr int min_exponent() const { return 1 - bias(); }
  VERNIER_HD constexpr std::uint32_t sign_bit() const { return 1u << (exponent_bits + mantissa_bits); }
};

namespace detail {

/// 2^e as a float, exact for -149 <= e <= 127.
VERNIER_HD constexpr float power_of_two(int e) {
  return e >= -126 ? bits_float(static_cast<std::uint32_t>(e + 127) << 23) : bits_float(1u << (e + 149));
}

/// x rounded to the nearest code of F, ties to even. Without branches or conditional arithmetic, so that a loop over an array becomes
/// vector code: normal and subnormal numbers are both computed, each with the other's range clamped to the border between them.
template <SmallFloat F>
VERNIER_HD constexpr std::uint32_t encode_small_float(float x) {
  constexpr int shift = 23 - F.mantissa_bits;
  constexpr std::int32_t rebase = (127 - F.bias()) << 23;
  const std::uint32_t all = float_bits(x);
  const std::int32_t magnitude = static_cast<std::int32_t>(all & 0x7fffffffu);  // signed: SSE2 compares only those
  const std::uint32_t sign = (all >> (31 - F.exponent_bits - F.mantissa_bits)) & F.sign_bit();

  // Add just under half of the last place that stays, and one more if that place is odd; a carry moves the exponent.
  const auto round_normal = [](std::int32_t m) { return (m - rebase + ((1 << (shift - 1)) - 1) + ((m >> shift) & 1)) >> shift; };
  std::int32_t code = 0;
  if constexpr (F.bias() == 127) {
    code = round_normal(magnitude > 0x7f800000 ? 0x7f800000 : magnitude);  // a NaN's would overflow
  } else {
    // Adding a power of two whose last place is that of F's subnormals makes the addition do the rounding.
    constexpr std::int32_t border = static_cast<std::int32_t>(float_bits(power_of_two(F.min_exponent())));
    constexpr float magic = power_of_two(F.min_exponent() - F.mantissa_bits + 23);
    const float small = bits_float(static_cast<std::uint32_t>(magnitude < border ? magnitude : border));
    const std::int32_t subnormal = static_cast<std::int32_t>(float_bits(small + magic) - float_bits(magic));
    code = subnormal + round_normal(magnitude > border ? magnitude : border) - (1 << F.mantissa_bits);
  }
  constexpr std::int32_t max_code = static_cast<std::int32_t>(F.max_code);
  code = code > max_code ? (F.saturate ? max_code : max_code + 1) : code;
  code = magnitude > 0x7f800000 ? static_cast<std::int32_t>(F.nan_code) : code;
  return sign | static_cast<std::uint32_t>(code);
}

/// The value of a code of F; every code of an 8- or 16-bit format is exact in float. NaNs come out quiet.
template <SmallFloat F>
VERNIER_HD constexpr float decode_small_float(std::uint32_t code) {
  const std::uint32_t sign = (code & F.sign_bit()) << (31 - F.exponent_bits - F.mantissa_bits);
  const std::uint32_t magnitude = code & (F.sign_bit() - 1u);
  const std::uint32_t normal = (magnitude << (23 - F.mantissa_bits)) + (static_cast<std::uint32_t>(127 - F.bias()) << 23);
  const float subnormal = static_cast<float>(static_cast<std::int32_t>(magnitude)) * power_of_two(F.min_exponent() - F.mantissa_bits);
  std::uint32_t value = magnitude >> F.mantissa_bits == 0 ? float_bits(subnormal) : normal;
  const bool is_infinity = F.infinity && magnitude == F.max_code + 1;
  value = magnitude > F.max_code ? (is_infinity ? 0x7f800000u : 0x7fc00000u) : value;
  return bits_float(value | sign);
}

}  // namespace detail
}  // namespace vernier
