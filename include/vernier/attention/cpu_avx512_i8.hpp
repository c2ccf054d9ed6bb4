// The AVX-512 micro-kernel of attention for i8 keys and values, in integers: queries and weights become 15-bit integers with a scale per
// row, and vpdpwssd multiplies two pairs per lane, twice the rate of float. For float formats see cpu_avx512.hpp.
#pragma once

#include <cstdint>
#include <cstring>

#include "vernier/attention/cpu_avx512.hpp"
#include "vernier/attention/int8.hpp"
#include "vernier/core/math.hpp"

#ifdef __x86_64__

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {

inline std::uint32_t horizontal_max_unsigned(__m512i x) {
  __m256i y = _mm256_max_epu32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
  __m128i z = _mm_max_epu32(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
  z = _mm_max_epu32(z, _mm_shuffle_epi32(z, 0x4e));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_max_epu32(z, _mm_shuffle_epi32(z, 0xb1))));
}

/// See PrepareKernel: q_codes and q_scale from q.
inline void prepare_int8(const RowBlock& block, int dim) {
  const auto lanes = [dim](int d) { return static_cast<__mmask16>(dim - d < 16 ? 0xffu : 0xffffu); };  // dim is a multiple of 8
  for (int row = 0; row < block.rows; ++row) {
    const float* const q = block.q + row * dim;
    __m512i largest = _mm512_setzero_si512();
    for (int d = 0; d < dim; d += 16)
      largest = _mm512_max_epu32(largest, _mm512_castps_si512(_mm512_abs_ps(_mm512_maskz_loadu_ps(lanes(d), q + d))));
    const __m512 factor = _mm512_set1_ps(vernier::detail::code_factor(bits_float(horizontal_max_unsigned(largest)), block.q_scale[row]));
    for (int d = 0; d < dim; d += 16)
      _mm512_mask_cvtepi32_storeu_epi16(block.q_codes + row * dim + d, lanes(d),
                                        _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(lanes(d), q + d), factor)));
  }
}

inline __m512i load_pairs(const std::uint8_t* at) { return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at))); }

inline __m512i broadcast_pair(const std::int16_t* at) {
  std::int32_t pair;
  std::memcpy(&pair, at, sizeof pair);
  return _mm512_set1_epi32(pair);
}

/// scores(row, j) = q(row) . key(j), up to the key's scale, for rows [row, row + Rows) and all keys of the tile.
template <int Rows, int Vectors>
void score_rows_int8(const Phase& phase, int row) {
  const int dim = phase.dim, tokens = phase.tokens;
  const std::int16_t* const q = phase.block.q_codes + row * dim;
  Prefetch prefetch(phase, row, dim / 2);
  for (int j = 0; j < tokens; j += 16 * Vectors) {
    __m512i s[Rows][Vectors];
    for (auto& r : s)
      for (__m512i& x : r) x = _mm512_setzero_si512();
    const std::uint8_t* key = phase.keys + 2 * j;
    for (int d = 0; d < dim; d += 2, key += 2 * tokens) {
      prefetch.advance();
      __m512i k[Vectors];
      for (int v = 0; v < Vectors; ++v) k[v] = load_pairs(key + 32 * v);
      for (int r = 0; r < Rows; ++r) {
        const __m512i x = broadcast_pair(q + r * dim + d);
        for (int v = 0; v < Vectors; ++v) s[r][v] = _mm512_dpwssd_epi32(s[r][v], x, k[v]);
      }
    }
    for (int r = 0; r < Rows; ++r)
      for (int v = 0; v < Vectors; ++v)
        _mm512_storeu_ps(phase.block.scores + (row + r) * tokens + j + 16 * v,
                         _mm512_mul_ps(_mm512_cvtepi32_ps(s[r][v]), _mm512_set1_ps(phase.block.q_scale[row + r])));
  }
}

/// acc(row) = acc(row) * shrink(row) + the sum of weight(row, j) * value(j), in elements [d, d + 16 * Vectors). Weights outside of the
/// range are 0 and their integer products too, whatever the codes.
template <int Rows, int Vectors>
void add_values_int8(const Phase& phase, int row, KeyRange range, int d) {
  const RowBlock& block = phase.block;
  const int tokens = phase.tokens, stride = phase.stride, first = range.begin / 2 * 2;
  const std::int16_t* const weight = vernier::detail::weight_codes(block, tokens, row);
  __m512i sum[Rows][Vectors];
  for (auto& r : sum)
    for (__m512i& x : r) x = _mm512_setzero_si512();
  const std::uint8_t* value = phase.values + first * stride + 2 * d;
  for (int j = first; j < range.end; j += 2, value += 2 * stride) {
    __m512i x[Vectors];
    for (int v = 0; v < Vectors; ++v) x[v] = load_pairs(value + 32 * v);
    for (int r = 0; r < Rows; ++r) {
      const __m512i w = broadcast_pair(weight + 2 * r * tokens + j);  // a row of scores has room for 2 * tokens codes
      for (int v = 0; v < Vectors; ++v) sum[r][v] = _mm512_dpwssd_epi32(sum[r][v], w, x[v]);
    }
  }
  for (int r = 0; r < Rows; ++r)
    for (int v = 0; v < Vectors; ++v) {
      float* const acc = block.acc + (row + r) * stride + d + 16 * v;
      const __m512 before = _mm512_mul_ps(_mm512_loadu_ps(acc), _mm512_set1_ps(block.shrink[row + r]));
      _mm512_storeu_ps(acc, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[r][v]), _mm512_set1_ps(block.weight_scale[row + r]), before));
    }
}

/// Rows are a number at run time up to Most; each count has its own register tile.
template <int Most>
void score_int8_up_to(const Phase& phase, int row, int rows) {
  if constexpr (Most > 1)
    if (rows < Most) return score_int8_up_to<Most - 1>(phase, row, rows);
  phase.tokens % 32 == 0 ? score_rows_int8<Most, 2>(phase, row) : score_rows_int8<Most, 1>(phase, row);
}

template <int Most>
void add_values_int8_up_to(const Phase& phase, int row, int rows, KeyRange range) {
  if constexpr (Most > 1)
    if (rows < Most) return add_values_int8_up_to<Most - 1>(phase, row, rows, range);
  int d = 0;
  for (; d + 64 <= phase.stride; d += 64) add_values_int8<Most, 4>(phase, row, range, d);
  for (; d < phase.stride; d += 16) add_values_int8<Most, 1>(phase, row, range, d);
}

/// Turns the weights of rows [row, end), which are not negative, into codes.
inline void quantize_weights(const RowBlock& block, int tokens, int row, int end, KeyRange range) {
  const KeyMasks visible(range);
  for (int r = row; r < end; ++r) {
    const float* const w = block.scores + r * tokens;
    __m512i largest = _mm512_setzero_si512();
    for (int j = 0; j < tokens; j += 16)
      largest = _mm512_max_epu32(largest, _mm512_castps_si512(_mm512_maskz_loadu_ps(visible.bits[j / 16], w + j)));
    block.weight_scale[r] = bits_float(horizontal_max_unsigned(largest));
  }
  for (int r = row; r < end; ++r) {
    const float* const w = block.scores + r * tokens;
    const __m512 factor = _mm512_set1_ps(vernier::detail::code_factor(block.weight_scale[r], block.weight_scale[r]));
    for (int j = 0; j < tokens; j += 16) {  // in place: codes are written behind where weights are read
      const __m512i code = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(visible.bits[j / 16], w + j), factor));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(vernier::detail::weight_codes(block, tokens, r) + j), _mm512_cvtepi32_epi16(code));
    }
  }
}

/// See TileKernel.
inline void attention_tile_int8(const KeyTile& tile, const RowBlock& block) {
  constexpr int score_tile = 8, value_tile = 6;
  const Phase phase{tile.run.keys, tile.run.values, tile.page_tokens, tile.head_dim, tile.value_stride, block, tile.next, tile.run_bytes};
  TileScales scales;
  load_scales<Precision::i8>(tile, scales);
  const RowRange rows = visible_rows(tile, block);
  for (int row = rows.begin; row < rows.end; row += score_tile) score_int8_up_to<score_tile>(phase, row, rows.end - row);
  for_each_run(tile, block, [&](int row, int row_end, KeyRange range) {
    weigh_rows<true>(scales, tile.page_tokens, block, row, row_end, range);
    quantize_weights(block, tile.page_tokens, row, row_end, range);
    for (; row < row_end; row += value_tile) add_values_int8_up_to<value_tile>(phase, row, row_end - row, range);
  });
}

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END
#endif
