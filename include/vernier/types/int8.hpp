// Symmetric 8-bit integers.
#pragma once

#include <cstdint>

#include "vernier/core/macros.hpp"
#include "vernier/core/math.hpp"

namespace vernier {

/// A symmetric 8-bit integer, value = code * scale with scale = absmax / 127 kept beside it. Codes are -127 to 127: -128 is never
/// written, so that negation and |code| stay in range. encode() takes x / scale, rounds to nearest even, saturates; NaN becomes 0
/// (a quantiser must look for NaN before, see quant/quantize.hpp).
struct i8 {
  std::int8_t bits = 0;
  static constexpr float max = 127.0f;

  VERNIER_HD static constexpr i8 encode(float x) {
    const float number = x == x ? x : 0.0f;
    const float above = number < -max ? -max : number;
    const float clamped = above > max ? max : above;
    const float magic = 12582912.0f;  // 1.5 * 2^23: adding it leaves the integer, rounded to even, in the low mantissa bits
    return {static_cast<std::int8_t>(static_cast<std::uint8_t>(float_bits(clamped + magic)))};
  }
  VERNIER_HD constexpr float decode() const { return static_cast<float>(bits); }
  friend constexpr bool operator==(i8, i8) = default;
};

}  // namespace vernier
