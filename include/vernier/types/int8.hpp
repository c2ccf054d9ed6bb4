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
    // Clamped as integers: compilers do not turn conditions on floats into vector code, since comparing them may trap.
    const std::uint32_t all = float_bits(x);
    const std::int32_t magnitude = static_cast<std::int32_t>(all & 0x7fffffffu), limit = static_cast<std::int32_t>(float_bits(max));
    std::int32_t clamped = magnitude < limit ? magnitude : limit;
    clamped = magnitude > 0x7f800000 ? 0 : clamped;
    const float magic = 12582912.0f;  // 1.5 * 2^23: adding it leaves the integer, rounded to even, in the low mantissa bits
    const float sum = bits_float(static_cast<std::uint32_t>(clamped) | (all & 0x80000000u)) + magic;
    return {static_cast<std::int8_t>(static_cast<std::uint8_t>(float_bits(sum)))};
  }
  VERNIER_HD constexpr float decode() const { return static_cast<float>(bits); }
  friend constexpr bool operator==(i8, i8) = default;
};

}  // namespace vernier
