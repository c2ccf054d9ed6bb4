// What the integer micro-kernels of attention share, whatever their instruction set: the codes of queries and weights.
#pragma once

#include <cstdint>

#include "vernier/attention/tile.hpp"

namespace vernier::detail {

/// Queries and weights become 15-bit integers. What this costs: at most 2^-16 of the largest |q| of a row in each of its elements, and at
/// most 2^-16 of the largest weight of a tile in each weight; the codes of the cache have 7 bits. Sums of products are exact, below
/// 2^15 * 2^7 * 256 < 2^31.
inline constexpr float most_code = 32767.0f;

/// Rows whose largest element is below this count as zeros, so that the reciprocal stays finite.
inline constexpr float least_absmax = 1e-30f;

/// The factor that turns numbers of size up to `largest` into codes, and the scale that turns them back. Callers find `largest` by
/// comparing floats as unsigned integers: from 0 on these are in order, with infinity and NaN on top. So one NaN makes `largest` NaN, and
/// infinity or NaN makes the scale NaN.
inline float code_factor(float largest, float& scale) {
  scale = largest < least_absmax ? 0.0f : largest / most_code + largest * 0.0f;
  return largest < least_absmax ? 0.0f : most_code / largest;
}

/// The weights of a row as codes: they take the place of its scores, at the start of the row, which has room for 2 * tokens of them.
inline std::int16_t* weight_codes(const RowBlock& block, int tokens, int row) {
  return reinterpret_cast<std::int16_t*>(block.scores + row * tokens);
}

}  // namespace vernier::detail
