// The scale of activations that are rounded to integers or fp8 while a model runs: where the numbers may be anything, and nobody can be
// asked. (Weights are quantised before, by quantize.hpp, which refuses what has no code.)
#pragma once

#include <cstdint>

#include "vernier/core/macros.hpp"
#include "vernier/core/math.hpp"

namespace vernier {

/// What a code of 1 stands for in a group whose largest magnitude has these bits, and its inverse. NaN for a group that holds NaN or
/// infinity, and so the token's result; where the scale would be subnormal (absmax below 1.5e-36 for int8) the inverse is 0, and codes are
/// zero.
struct GroupScale {
  float scale, inverse;
};
VERNIER_HD constexpr GroupScale group_scale(std::int32_t largest, int largest_code) {
  constexpr std::int32_t infinity = 0x7f800000;
  if (largest >= infinity) return {bits_float(0x7fc00000u), 0.0f};
  const float scale = bits_float(static_cast<std::uint32_t>(largest)) / static_cast<float>(largest_code);
  return {scale, scale >= 0x1p-126f ? 1.0f / scale : 0.0f};
}

}  // namespace vernier
