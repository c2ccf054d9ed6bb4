// bfloat16: the upper half of a float.
#pragma once

#include <cstdint>

#include "vernier/types/small_float.hpp"

namespace vernier {

inline constexpr SmallFloat bf16_layout{.exponent_bits = 8, .mantissa_bits = 7, .max_code = 0x7f7f, .nan_code = 0x7fc0};

/// bfloat16: s eeeeeeee mmmmmmm, bias 127, the range of float with 8 bits of precision. Largest 3.3895e38.
/// encode() rounds to nearest even, overflows to infinity and keeps NaN (as a quiet one). Source: Intel, BFLOAT16 Hardware
/// Numerics Definition, 2018; unlike that paper's instructions, subnormals are kept.
struct bf16 {
  std::uint16_t bits = 0;

  VERNIER_HD static constexpr bf16 encode(float x) { return {static_cast<std::uint16_t>(detail::encode_small_float<bf16_layout>(x))}; }
  VERNIER_HD constexpr float decode() const { return bits_float(static_cast<std::uint32_t>(bits) << 16); }
  friend constexpr bool operator==(bf16, bf16) = default;
};

}  // namespace vernier
