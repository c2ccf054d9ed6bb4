// What micro-kernels of attention share that multiply pairs of 16-bit codes: how queries and weights become such codes. i8 caches are
// multiplied as integers, e4m3 and e5m2 caches as bf16, whose 8 significant bits hold theirs exactly.
#pragma once

#include <cstdint>

#include "vernier/attention/tile.hpp"
#include "vernier/types/precision.hpp"

namespace vernier::detail {

/// For i8, queries and weights become 15-bit integers. What this costs: at most 2^-16 of the largest |q| of a row in each of its elements,
/// and at most 2^-16 of the largest weight of a tile in each weight; the codes of the cache have 7 bits. Sums of products are exact,
/// below 2^15 * 2^7 * 256 < 2^31.
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

/// An fp8 code becomes a bf16 by moving its bits, which makes it too small by the difference of the exponents' biases: 2^-120 for e4m3,
/// 2^-112 for e5m2. Queries and weights are multiplied by fp8_lift, so that no product is near the subnormals, which the hardware
/// flushes; and their products, at the end, by fp8_unit.
///
/// What this costs: fp8 subnormals, below 2^-14 of the largest element of their row, count as zeros with AVX-512; and queries and weights
/// are rounded to bf16 there, 2^-8 relatively, while the keys and values have 2^-4 (e4m3) or 2^-3.
inline constexpr float fp8_lift = 0x1p60f;
template <Precision P>
inline constexpr float fp8_unit = P == Precision::e4m3 ? 0x1p60f : 0x1p52f;

/// Whether the format is stored in pairs of rows, see KvLayout, and how many rows a multiplication takes.
template <Precision P>
inline constexpr int step_rows = KvLayout::pack(P);

/// Whether keys and values are fp8 pairs, the ones that the above is about.
template <Precision P>
inline constexpr bool fp8_pairs = has_kv_scale(P) && P != Precision::i8;

}  // namespace vernier::detail
