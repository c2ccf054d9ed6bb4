// What the AVX-512 micro-kernel of attention does once for a block of queries whose keys are stored in pairs: it turns them into 16-bit
// codes. For the kernel itself see cpu_avx512.hpp.
#pragma once

#include <cstdint>

#include "vernier/attention/cpu_avx512.hpp"

#ifdef __x86_64__

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {

/// The lanes of a row of n elements from d on; n is a multiple of 8.
inline __mmask16 lanes_left(int n, int d) { return static_cast<__mmask16>(n - d < 16 ? 0xffu : 0xffffu); }

/// See PrepareKernel: q_codes and q_scale from q, as 15-bit integers.
inline void prepare_int16(const RowBlock& block, int dim) {
  for (int row = 0; row < block.rows; ++row) {
    const float* const q = block.q + row * dim;
    __m512i largest = _mm512_setzero_si512();
    for (int d = 0; d < dim; d += 16)
      largest = _mm512_max_epu32(largest, _mm512_castps_si512(_mm512_abs_ps(_mm512_maskz_loadu_ps(lanes_left(dim, d), q + d))));
    const __m512 factor = _mm512_set1_ps(vernier::detail::code_factor(bits_float(horizontal_max_unsigned(largest)), block.q_scale[row]));
    for (int d = 0; d < dim; d += 16)
      _mm512_mask_cvtepi32_storeu_epi16(block.q_codes + row * dim + d, lanes_left(dim, d),
                                        _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(lanes_left(dim, d), q + d), factor)));
  }
}

/// See PrepareKernel: q_codes from q, as bf16 times fp8_lift.
inline void prepare_bf16(const RowBlock& block, int dim) {
  for (int i = 0; i < block.rows * dim; i += 16) {
    const __mmask16 lanes = lanes_left(block.rows * dim, i);
    const __m512 q = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, block.q + i), _mm512_set1_ps(vernier::detail::fp8_lift));
    _mm256_mask_storeu_epi16(block.q_codes + i, lanes, (__m256i)_mm512_cvtneps_pbh(q));
  }
}

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END
#endif
