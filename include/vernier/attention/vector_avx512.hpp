// Functions on one AVX-512 vector that the micro-kernel of attention needs: reductions, and which keys of a vector are seen.
#pragma once

#include <cstdint>

#include "vernier/attention/tile.hpp"
#include "vernier/core/macros.hpp"
#include "vernier/cpu/exp2.hpp"

#ifdef __x86_64__
#include <immintrin.h>

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {

inline float horizontal_max(__m512 x) {
  __m256 y = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  __m128 z = _mm_max_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
  z = _mm_max_ps(z, _mm_movehl_ps(z, z));
  return _mm_cvtss_f32(_mm_max_ss(z, _mm_movehdup_ps(z)));
}

inline float horizontal_sum(__m512 x) {
  __m256 y = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  __m128 z = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
  z = _mm_add_ps(z, _mm_movehl_ps(z, z));
  return _mm_cvtss_f32(_mm_add_ss(z, _mm_movehdup_ps(z)));
}

inline std::uint32_t horizontal_max_unsigned(__m512i x) {
  __m256i y = _mm256_max_epu32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
  __m128i z = _mm_max_epu32(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
  z = _mm_max_epu32(z, _mm_shuffle_epi32(z, 0x4e));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_max_epu32(z, _mm_shuffle_epi32(z, 0xb1))));
}

/// A bit for each of the keys [j, j + 16) that lies in the range.
inline __mmask16 visible(KeyRange range, int j) {
  const unsigned below = range.end - j >= 16 ? 0xffffu : (1u << (range.end - j)) - 1u;
  return static_cast<__mmask16>(range.begin > j ? below & (0xffffu << (range.begin - j)) : below);
}

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END
#endif
