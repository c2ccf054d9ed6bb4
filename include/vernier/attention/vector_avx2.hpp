// Functions on one AVX2 vector that the micro-kernel of attention needs: 2^x, reductions, and which keys of a vector are seen.
#pragma once

#include <cstdint>

#include "vernier/attention/exp2.hpp"
#include "vernier/attention/tile.hpp"
#include "vernier/core/macros.hpp"

#ifdef __x86_64__
#include <immintrin.h>

VERNIER_TARGET_AVX2
namespace vernier::cpu::avx2 {

/// 2^x for x <= 0, and 0 for x < -125; NaN stays NaN. See exp2.hpp.
inline __m256 exp2(__m256 x) {
  const __m256 least = _mm256_set1_ps(-125.0f), kept = _mm256_cmp_ps(x, least, _CMP_NLT_UQ);
  x = _mm256_max_ps(least, x);  // in this order NaN passes
  const __m256 n = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), r = _mm256_sub_ps(x, n);
  __m256 sum = _mm256_set1_ps(vernier::detail::exp2_coefficients[5]);
  for (int i = 4; i >= 0; --i) sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(vernier::detail::exp2_coefficients[i]));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f));
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);  // 0 for NaN
  return _mm256_and_ps(kept, _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(sum), exponent)));
}

inline float horizontal_max(__m256 x) {
  __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  y = _mm_max_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_max_ss(y, _mm_movehdup_ps(y)));
}

inline float horizontal_sum(__m256 x) {
  __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  y = _mm_add_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}

inline std::uint32_t horizontal_max_unsigned(__m256i x) {
  __m128i y = _mm_max_epu32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  y = _mm_max_epu32(y, _mm_shuffle_epi32(y, 0x4e));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_max_epu32(y, _mm_shuffle_epi32(y, 0xb1))));
}

inline __m256 magnitude(__m256 x) { return _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff))); }

/// Eight floats, rounded to sixteen-bit integers.
inline void store_codes(std::uint16_t* to, __m256 x) {
  const __m256i code = _mm256_cvtps_epi32(x);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_packs_epi32(_mm256_castsi256_si128(code), _mm256_extracti128_si256(code, 1)));
}

/// All ones in the lanes of keys [j, j + 8) that lie in the range.
inline __m256 visible(KeyRange range, int j) {
  const __m256i key = _mm256_add_epi32(_mm256_set1_epi32(j), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  const __m256i from = _mm256_cmpgt_epi32(key, _mm256_set1_epi32(range.begin - 1));
  return _mm256_castsi256_ps(_mm256_and_si256(from, _mm256_cmpgt_epi32(_mm256_set1_epi32(range.end), key)));
}

}  // namespace vernier::cpu::avx2
VERNIER_TARGET_END
#endif
