// Integer arithmetic of tiles and bit casts that also work in device code. No floating-point functions live here.
#pragma once

#include <concepts>
#include <cstdint>

#include "vernier/core/macros.hpp"

namespace vernier {

/// The number of tiles of size b that cover a. Needs a >= 0 and b > 0.
template <std::integral T>
VERNIER_HD constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

/// a rounded up to a multiple of b. Needs a >= 0 and b > 0.
template <std::integral T>
VERNIER_HD constexpr T round_up(T a, T b) {
  return ceil_div(a, b) * b;
}

// The builtin, since nvcc takes std::bit_cast for a host function.
VERNIER_HD constexpr std::uint32_t float_bits(float x) { return __builtin_bit_cast(std::uint32_t, x); }
VERNIER_HD constexpr float bits_float(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }

}  // namespace vernier
