// Integer arithmetic of tiles and bit casts that also work in device code. No floating-point functions live here.
#pragma once

#include <bit>
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

VERNIER_HD constexpr std::uint32_t float_bits(float x) { return std::bit_cast<std::uint32_t>(x); }
VERNIER_HD constexpr float bits_float(std::uint32_t bits) { return std::bit_cast<float>(bits); }

}  // namespace vernier
