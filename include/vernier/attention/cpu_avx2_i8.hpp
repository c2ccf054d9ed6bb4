// The AVX2 micro-kernel of attention for i8 keys and values, in integers: as cpu_avx512_i8.hpp, with vpmaddwd and an addition in place of
// vpdpwssd. See there and in int8.hpp for what it computes.
#pragma once

#include <cstdint>
#include <cstring>

#include "vernier/attention/cpu_avx2.hpp"
#include "vernier/attention/int8.hpp"
#include "vernier/core/math.hpp"

#ifdef __x86_64__

VERNIER_TARGET_AVX2
namespace vernier::cpu::avx2 {

inline std::uint32_t horizontal_max_unsigned(__m256i x) {
  __m128i y = _mm_max_epu32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  y = _mm_max_epu32(y, _mm_shuffle_epi32(y, 0x4e));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_max_epu32(y, _mm_shuffle_epi32(y, 0xb1))));
}

/// Eight floats times a factor, rounded to sixteen-bit integers.
inline void store_codes(std::int16_t* to, __m256 x, __m256 factor) {
  const __m256i code = _mm256_cvtps_epi32(_mm256_mul_ps(x, factor));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_packs_epi32(_mm256_castsi256_si128(code), _mm256_extracti128_si256(code, 1)));
}

/// See PrepareKernel: q_codes and q_scale from q.
inline void prepare_int8(const RowBlock& block, int dim) {
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  for (int row = 0; row < block.rows; ++row) {
    const float* const q = block.q + row * dim;
    __m256i largest = _mm256_setzero_si256();
    for (int d = 0; d < dim; d += 8)
      largest = _mm256_max_epu32(largest, _mm256_castps_si256(_mm256_and_ps(magnitude, _mm256_loadu_ps(q + d))));
    const float factor = vernier::detail::code_factor(bits_float(horizontal_max_unsigned(largest)), block.q_scale[row]);
    for (int d = 0; d < dim; d += 8) store_codes(block.q_codes + row * dim + d, _mm256_loadu_ps(q + d), _mm256_set1_ps(factor));
  }
}

inline __m256i load_pairs(const std::uint8_t* at) { return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))); }

inline __m256i broadcast_pair(const std::int16_t* at) {
  std::int32_t pair;
  std::memcpy(&pair, at, sizeof pair);
  return _mm256_set1_epi32(pair);
}

/// scores(row, j) = q(row) . key(j), up to the key's scale, for rows [row, row + Rows) and all keys of the tile, sixteen at a time.
template <int Rows>
void score_rows_int8(const Phase& phase, int row) {
  const int dim = phase.dim, tokens = phase.tokens;
  const std::int16_t* const q = phase.block.q_codes + row * dim;
  for (int j = 0; j < tokens; j += 16) {
    __m256i s[Rows][2];
    for (auto& r : s) r[0] = r[1] = _mm256_setzero_si256();
    const std::uint8_t* key = phase.keys + 2 * j;
    for (int d = 0; d < dim; d += 2, key += 2 * tokens) {
      const __m256i k0 = load_pairs(key), k1 = load_pairs(key + 16);
      for (int r = 0; r < Rows; ++r) {
        const __m256i x = broadcast_pair(q + r * dim + d);
        s[r][0] = _mm256_add_epi32(s[r][0], _mm256_madd_epi16(x, k0));
        s[r][1] = _mm256_add_epi32(s[r][1], _mm256_madd_epi16(x, k1));
      }
    }
    for (int r = 0; r < Rows; ++r)
      for (int v = 0; v < 2; ++v)
        _mm256_storeu_ps(phase.block.scores + (row + r) * tokens + j + 8 * v,
                         _mm256_mul_ps(_mm256_cvtepi32_ps(s[r][v]), _mm256_set1_ps(phase.block.q_scale[row + r])));
  }
}

/// acc(row) = acc(row) * shrink(row) + the sum of weight(row, j) * value(j). Weights outside of the range are 0 and their integer
/// products too, whatever the codes.
template <int Rows>
void add_values_int8(const Phase& phase, int row, KeyRange range) {
  const RowBlock& block = phase.block;
  const int tokens = phase.tokens, stride = phase.stride, first = range.begin / 2 * 2;
  const std::int16_t* const weight = vernier::detail::weight_codes(block, tokens, row);
  for (int d = 0; d < stride; d += 16) {
    __m256i sum[Rows][2];
    for (auto& r : sum) r[0] = r[1] = _mm256_setzero_si256();
    const std::uint8_t* value = phase.values + first * stride + 2 * d;
    for (int j = first; j < range.end; j += 2, value += 2 * stride) {
      const __m256i x0 = load_pairs(value), x1 = load_pairs(value + 16);
      for (int r = 0; r < Rows; ++r) {
        const __m256i w = broadcast_pair(weight + 2 * r * tokens + j);
        sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(w, x0));
        sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(w, x1));
      }
    }
    for (int r = 0; r < Rows; ++r)
      for (int v = 0; v < 2; ++v) {
        float* const acc = block.acc + (row + r) * stride + d + 8 * v;
        const __m256 before = _mm256_mul_ps(_mm256_loadu_ps(acc), _mm256_set1_ps(block.shrink[row + r]));
        _mm256_storeu_ps(acc, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][v]), _mm256_set1_ps(block.weight_scale[row + r]), before));
      }
  }
}

/// Rows are a number at run time up to Most; each count has its own register tile.
template <int Most = 4>
void score_int8_up_to(const Phase& phase, int row, int rows) {
  if constexpr (Most > 1)
    if (rows < Most) return score_int8_up_to<Most - 1>(phase, row, rows);
  score_rows_int8<Most>(phase, row);
}

template <int Most = 4>
void add_values_int8_up_to(const Phase& phase, int row, int rows, KeyRange range) {
  if constexpr (Most > 1)
    if (rows < Most) return add_values_int8_up_to<Most - 1>(phase, row, rows, range);
  add_values_int8<Most>(phase, row, range);
}

/// Turns the weights of a row, which are not negative, into codes.
inline void quantize_weights(const RowBlock& block, int tokens, int row, KeyRange range) {
  const float* const w = block.scores + row * tokens;
  __m256i largest = _mm256_setzero_si256();
  for (int j = 0; j < tokens; j += 8)
    largest = _mm256_max_epu32(largest, _mm256_castps_si256(_mm256_and_ps(visible(range, j), _mm256_loadu_ps(w + j))));
  const float factor = vernier::detail::code_factor(bits_float(horizontal_max_unsigned(largest)), block.weight_scale[row]);
  for (int j = 0; j < tokens; j += 8)  // in place: codes are written behind where weights are read
    store_codes(vernier::detail::weight_codes(block, tokens, row) + j, _mm256_and_ps(visible(range, j), _mm256_loadu_ps(w + j)),
                _mm256_set1_ps(factor));
}

/// See TileKernel.
inline void attention_tile_int8(const KeyTile& tile, const RowBlock& block) {
  constexpr int most = 4;
  const Phase phase{tile.run.keys, tile.run.values, tile.page_tokens, tile.head_dim, tile.value_stride, block};
  TileScales scales;
  load_scales<Precision::i8>(tile, scales);
  const RowRange rows = visible_rows(tile, block);
  for (int row = rows.begin; row < rows.end; row += most) score_int8_up_to(phase, row, rows.end - row);
  for_each_run(tile, block, [&](int row, int row_end, KeyRange range) {
    for (int r = row; r < row_end; ++r) {
      block.shrink[r] = weigh_row<true>(scales, tile.page_tokens, block, r, range);
      quantize_weights(block, tile.page_tokens, r, range);
    }
    for (; row < row_end; row += most) add_values_int8_up_to(phase, row, row_end - row, range);
  });
}

}  // namespace vernier::cpu::avx2
VERNIER_TARGET_END
#endif
