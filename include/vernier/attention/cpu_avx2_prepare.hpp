// What the AVX2 micro-kernel of attention does once for a block of queries whose keys have 8 bits. For the kernel itself see
// cpu_avx2.hpp.
#pragma once

#include <cstdint>

#include "vernier/attention/cpu_avx2.hpp"

#ifdef __x86_64__

VERNIER_TARGET_AVX2
namespace vernier::cpu::avx2 {

/// See PrepareKernel: q_codes and q_scale from q, as 15-bit integers.
inline void prepare_int16(const RowBlock& block, int dim) {
  for (int row = 0; row < block.rows; ++row) {
    const float* const q = block.q + row * dim;
    __m256i largest = _mm256_setzero_si256();
    for (int d = 0; d < dim; d += 8) largest = _mm256_max_epu32(largest, _mm256_castps_si256(magnitude(_mm256_loadu_ps(q + d))));
    const float factor = vernier::detail::code_factor(bits_float(horizontal_max_unsigned(largest)), block.q_scale[row]);
    for (int d = 0; d < dim; d += 8)
      store_codes(block.q_codes + row * dim + d, _mm256_mul_ps(_mm256_loadu_ps(q + d), _mm256_set1_ps(factor)));
  }
}

/// See PrepareKernel: q times fp8_lift.
inline void prepare_lifted(const RowBlock& block, int dim) {
  for (int i = 0; i < block.rows * dim; i += 8)
    _mm256_storeu_ps(block.q + i, _mm256_mul_ps(_mm256_loadu_ps(block.q + i), _mm256_set1_ps(vernier::detail::fp8_lift)));
}

}  // namespace vernier::cpu::avx2
VERNIER_TARGET_END
#endif
