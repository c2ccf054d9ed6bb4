// IEEE 754 binary16.
#pragma once

#include <cstdint>

#include "vernier/types/small_float.hpp"

namespace vernier {

inline constexpr SmallFloat f16_layout{.exponent_bits = 5, .mantissa_bits = 10, .max_code = 0x7bff, .nan_code = 0x7e00};

/// IEEE 754 binary16: s eeeee mmmmmmmmmm, bias 15. Largest 65504, smallest normal 2^-14, smallest subnormal 2^-24.
/// encode() rounds to nearest even, overflows to infinity and keeps NaN (as a quiet one). Source: IEEE 754-2019, 3.6.
struct f16 {
  std::uint16_t bits = 0;

  VERNIER_HD static constexpr f16 encode(float x) { return {static_cast<std::uint16_t>(detail::encode_small_float<f16_layout>(x))}; }
  VERNIER_HD constexpr float decode() const { return detail::decode_small_float<f16_layout>(bits); }
  friend constexpr bool operator==(f16, f16) = default;
};

}  // namespace vernier
