// silu(gate) * up along a row: the gated unit of a Llama, in vectors of the instruction set that the caller names. Every element is
// computed by itself, so a row's bits do not depend on how it is cut.
#pragma once

#include <algorithm>

#include "vernier/cpu/exp2.hpp"
#include "vernier/cpu/features.hpp"
#include "vernier/ops/exp.hpp"

#ifdef __x86_64__

// With t = e^-|g|: silu(g) = g / (1 + t) from 0 on and g t / (1 + t) below. t counts as 0 beyond `largest`, where it is below 2^-125.
// Four roundings besides those of t, which add less than 2 * 2^-24.
namespace vernier::ops::detail {
inline constexpr float largest_silu_exponent = 86.5f;
}

VERNIER_TARGET_AVX2
namespace vernier::cpu::avx2 {

inline __m256 silu(__m256 g) {
  const __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), g), largest = _mm256_set1_ps(ops::detail::largest_silu_exponent);
  const __m256 kept = _mm256_cmp_ps(size, largest, _CMP_NGT_UQ), bounded = _mm256_min_ps(largest, size);  // in this order NaN passes
  const __m256 n =
      _mm256_round_ps(_mm256_mul_ps(bounded, _mm256_set1_ps(-vernier::detail::log2_e)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m256 r = _mm256_fnmadd_ps(bounded, _mm256_set1_ps(vernier::detail::log2_e_rest),
                                    _mm256_fnmsub_ps(bounded, _mm256_set1_ps(vernier::detail::log2_e), n));
  const __m256 t = _mm256_and_ps(kept, power_of_two(n, r)), one = _mm256_set1_ps(1.0f);
  return _mm256_div_ps(_mm256_mul_ps(g, _mm256_blendv_ps(one, t, g)), _mm256_add_ps(one, t));  // blendv looks at the sign of g
}

inline void silu_multiply(const float* gate, const float* up, float* out, int n) {
  for (int i = 0; i < n; i += 8) {
    const __m256i lanes = _mm256_cmpgt_epi32(_mm256_set1_epi32(n - i), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    const __m256 g = _mm256_maskload_ps(gate + i, lanes), u = _mm256_maskload_ps(up + i, lanes);
    _mm256_maskstore_ps(out + i, lanes, _mm256_mul_ps(silu(g), u));
  }
}

}  // namespace vernier::cpu::avx2
VERNIER_TARGET_END

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {

inline __m512 silu(__m512 g) {
  const __m512 size = _mm512_abs_ps(g), largest = _mm512_set1_ps(ops::detail::largest_silu_exponent);
  const __mmask16 kept = _mm512_cmp_ps_mask(size, largest, _CMP_NGT_UQ), negative = _mm512_movepi32_mask(_mm512_castps_si512(g));
  const __m512 bounded = _mm512_min_ps(largest, size);  // in this order NaN passes
  const __m512 n =
      _mm512_roundscale_ps(_mm512_mul_ps(bounded, _mm512_set1_ps(-vernier::detail::log2_e)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_fnmadd_ps(bounded, _mm512_set1_ps(vernier::detail::log2_e_rest),
                                    _mm512_fnmsub_ps(bounded, _mm512_set1_ps(vernier::detail::log2_e), n));
  const __m512 t = _mm512_maskz_mov_ps(kept, power_of_two(n, r));
  return _mm512_div_ps(_mm512_mask_mul_ps(g, negative, g, t), _mm512_add_ps(_mm512_set1_ps(1.0f), t));
}

inline void silu_multiply(const float* gate, const float* up, float* out, int n) {
  for (int i = 0; i < n; i += 16) {
    const __mmask16 lanes = static_cast<__mmask16>(n - i < 16 ? (1u << (n - i)) - 1u : 0xffffu);
    const __m512 g = _mm512_maskz_loadu_ps(lanes, gate + i), u = _mm512_maskz_loadu_ps(lanes, up + i);
    _mm512_mask_storeu_ps(out + i, lanes, _mm512_mul_ps(silu(g), u));
  }
}

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END
#endif

namespace vernier::ops {

/// out[i] = silu(gate[i]) * up[i] for i < n, within 7 roundings. out may be gate or up. The machine must have `isa`.
inline void silu_multiply(const float* gate, const float* up, float* out, int n, cpu::Isa isa = cpu::selected_isa()) {
#ifdef __x86_64__
  if (isa == cpu::Isa::avx512) return cpu::avx512::silu_multiply(gate, up, out, n);
  if (isa == cpu::Isa::avx2) return cpu::avx2::silu_multiply(gate, up, out, n);
#else
  (void)isa;
#endif
  for (int i = 0; i < n; ++i) out[i] = silu(gate[i]) * up[i];
}

}  // namespace vernier::ops
