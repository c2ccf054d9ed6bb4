// The two OCP 8-bit floating-point formats.
#pragma once

#include <cstdint>

#include "vernier/types/small_float.hpp"

namespace vernier {

inline constexpr SmallFloat e4m3_layout{
    .exponent_bits = 4, .mantissa_bits = 3, .max_code = 0x7e, .nan_code = 0x7f, .infinity = false, .saturate = true};
inline constexpr SmallFloat e5m2_layout{.exponent_bits = 5, .mantissa_bits = 2, .max_code = 0x7b, .nan_code = 0x7f, .saturate = true};

/// OCP E4M3: s eeee mmm, bias 7, no infinity; the single NaN is s 1111 111. Largest 448, smallest normal 2^-6, smallest
/// subnormal 2^-9. encode() rounds to nearest even, saturates (infinity too) and keeps NaN.
/// Source: OCP 8-bit Floating Point Specification (OFP8) 1.0, section 5.
struct e4m3 {
  std::uint8_t bits = 0;
  static constexpr float max = 448.0f;

  VERNIER_HD static constexpr e4m3 encode(float x) { return {static_cast<std::uint8_t>(detail::encode_small_float<e4m3_layout>(x))}; }
  VERNIER_HD constexpr float decode() const { return detail::decode_small_float<e4m3_layout>(bits); }
  friend constexpr bool operator==(e4m3, e4m3) = default;
};

/// OCP E5M2: s eeeee mm, bias 15, IEEE infinity and NaN. Largest 57344, smallest normal 2^-14, smallest subnormal 2^-16.
/// encode() rounds to nearest even, saturates (infinity too, so it never writes one) and keeps NaN; decode() knows infinity.
/// Source: OCP 8-bit Floating Point Specification (OFP8) 1.0, section 5.
struct e5m2 {
  std::uint8_t bits = 0;
  static constexpr float max = 57344.0f;

  VERNIER_HD static constexpr e5m2 encode(float x) { return {static_cast<std::uint8_t>(detail::encode_small_float<e5m2_layout>(x))}; }
  VERNIER_HD constexpr float decode() const { return detail::decode_small_float<e5m2_layout>(bits); }
  friend constexpr bool operator==(e5m2, e5m2) = default;
};

}  // namespace vernier
