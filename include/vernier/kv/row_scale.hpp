// The scale of a cached row, and the codes under it: the same arithmetic, to the bit, for append on the CPU and on a CUDA device.
#pragma once

#include "vernier/core/macros.hpp"
#include "vernier/core/math.hpp"
#include "vernier/kv/config.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier::detail {

/// A code stands for code * scale, and is that of x * inverse.
struct KvRowScale {
  float scale = 1, inverse = 1;
};

/// The scale that maps the largest |x| of a row to the largest code: 0 for a row of zeros, NaN when an element is NaN or infinite, so that
/// the whole row decodes to NaN instead of to plausible numbers. 1 for formats without a scale.
template <Precision P>
VERNIER_HD constexpr KvRowScale kv_row_scale(float largest) {
  if constexpr (has_kv_scale(P)) {
    constexpr float max_code = TypeOf<P>::max;
    const float scale = largest / max_code + largest * 0.0f, inverse = scale > 0 ? 1.0f / scale : 0.0f;
    if (float_bits(inverse) == 0x7f800000u) return {0, 0};  // all subnormal: too small for a scale, so they are zeros
    return {scale, inverse};
  } else {
    return {};
  }
}

template <Precision P>
VERNIER_HD constexpr CodeOf<P> encode_kv(float x, const KvRowScale& scale) {
  return static_cast<CodeOf<P>>(TypeOf<P>::encode(x * scale.inverse).bits);
}

}  // namespace vernier::detail
