// Functions on one AVX2 vector that the micro-kernel of attention needs: reductions, and which keys of a vector are seen.
#pragma once

#include <cstdint>

#include "vernier/attention/tile.hpp"
#include "vernier/core/macros.hpp"
#include "vernier/cpu/exp2.hpp"

#ifdef __x86_64__
#include <immintrin.h>

VERNIER_TARGET_AVX2
namespace vernier::cpu::avx2 {

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
