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

  VERNIER_HD constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  VERNIER_HD constexpr int min_exponent() const { return 1 - bias(); }
  VERNIER_HD constexpr std::uint32_t sign_bit() const { return 1u << (exponent_bits + mantissa_bits); }
};

namespace detail {

/// 2^e as a float, exact for -149 <= e <= 127.
VERNIER_HD constexpr float power_of_two(int e) {
  return e >= -126 ? bits_float(static_cast<std::uint32_t>(e + 127) << 23) : bits_float(1u << (e + 149));
}

/// x rounded to the nearest code of F, ties to even.
template <SmallFloat F>
VERNIER_HD constexpr std::uint32_t encode_small_float(float x) {
  const std::uint32_t all = float_bits(x);
  const std::uint32_t sign = (all >> 31) != 0 ? F.sign_bit() : 0;
  const std::uint32_t magnitude = all & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | F.nan_code;

  // magnitude = mantissa * 2^(exponent - 23); float subnormals share the smallest exponent and lack the hidden bit.
  const bool normal = magnitude >= 0x00800000u;
  const int exponent = normal ? static_cast<int>(magnitude >> 23) - 127 : -126;
  const std::uint32_t mantissa = (magnitude & 0x7fffffu) | (normal ? 0x800000u : 0u);

  const int below = exponent < F.min_exponent() ? F.min_exponent() - exponent : 0;
  const int shift = 23 - F.mantissa_bits + below;
  if (shift > 25) return sign;
  std::uint32_t code = mantissa >> shift;
  const std::uint32_t rest = mantissa & ((1u << shift) - 1u), half = (1u << shift) >> 1;
  if (rest > half || (rest == half && shift > 0 && (code & 1u) != 0)) ++code;
  if (below == 0) code += static_cast<std::uint32_t>(exponent - F.min_exponent()) << F.mantissa_bits;

  if (code > F.max_code) code = F.saturate ? F.max_code : F.max_code + 1;
  return sign | code;
}

/// The value of a code of F; every code of an 8- or 16-bit format is exact in float.
template <SmallFloat F>
VERNIER_HD constexpr float decode_small_float(std::uint32_t code) {
  const std::uint32_t sign = (code & F.sign_bit()) != 0 ? 0x80000000u : 0u;
  const std::uint32_t magnitude = code & (F.sign_bit() - 1u);
  if (magnitude > F.max_code) {
    return bits_float(sign | (F.infinity && magnitude == F.max_code + 1 ? 0x7f800000u : 0x7fc00000u));
  }
  const std::uint32_t field = magnitude >> F.mantissa_bits;
  const std::uint32_t mantissa = magnitude & ((1u << F.mantissa_bits) - 1u);
  const float value =
      field == 0 ? static_cast<float>(mantissa) * power_of_two(F.min_exponent() - F.mantissa_bits)
                 : bits_float(((field - static_cast<std::uint32_t>(F.bias()) + 127u) << 23) | (mantissa << (23 - F.mantissa_bits)));
  return bits_float(float_bits(value) | sign);
}

}  // namespace detail
}  // namespace vernier
