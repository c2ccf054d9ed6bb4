// The AVX2 micro-kernel of attention: the same outer products as cpu_avx512.hpp, eight lanes wide and with sixteen registers.
// See there for the reasons; this file only differs in what the instruction set has.
#pragma once

#include <cstdint>
#include <limits>

#include "vernier/attention/exp2.hpp"
#include "vernier/attention/tile.hpp"
#include "vernier/core/macros.hpp"
#include "vernier/types/precision.hpp"

#ifdef __x86_64__
#include <immintrin.h>

VERNIER_TARGET_AVX2
namespace vernier::cpu::avx2 {

/// What load_codes() leaves out: e4m3 becomes a binary16 by moving its bits, which are then 2^-8 too small.
template <Precision P>
inline constexpr float code_unit = P == Precision::e4m3 ? 256.0f : 1.0f;

/// Eight codes, or eight floats that were decoded before (P = f32), in units of code_unit.
template <Precision P>
inline __m256 load_codes(const std::uint8_t* at) {
  const __m128i* const codes = reinterpret_cast<const __m128i*>(at);
  if constexpr (P == Precision::f32)
    return _mm256_loadu_ps(reinterpret_cast<const float*>(at));
  else if constexpr (P == Precision::f16)
    return _mm256_cvtph_ps(_mm_loadu_si128(codes));
  else if constexpr (P == Precision::bf16)
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(codes)), 16));
  else if constexpr (P == Precision::e5m2)  // the upper byte of a binary16
    return _mm256_cvtph_ps(_mm_unpacklo_epi8(_mm_setzero_si128(), _mm_loadl_epi64(codes)));
  else if constexpr (P == Precision::e4m3)  // s eeee mmm -> s 0eeee mmm0000000
    return _mm256_cvtph_ps(
        _mm_and_si128(_mm_slli_epi16(_mm_cvtepi8_epi16(_mm_loadl_epi64(codes)), 7), _mm_set1_epi16(static_cast<short>(0xbfff))));
  else
    static_assert(P == Precision::f32, "vernier::cpu::avx2::load_codes: no decoder for this precision; add one here");
}

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

/// What the phases of a tile share. Codes are those of the cache or, for many rows, the decoded floats.
struct Phase {
  const std::uint8_t* keys;    // (dim, tokens)
  const std::uint8_t* values;  // (tokens, stride)
  int tokens, dim, stride;
  const RowBlock& block;
};

/// scores(row, j) = q(row) . key(j) for rows [row, row + Rows) and all keys of the tile, sixteen keys at a time.
template <Precision P, int Rows>
void score_rows(const Phase& phase, int row) {
  const int dim = phase.dim, tokens = phase.tokens;
  const float* const q = phase.block.q + row * dim;
  constexpr int bytes = bits(P) / 8;
  for (int j = 0; j < tokens; j += 16) {
    __m256 s[Rows][2];
    for (auto& r : s) r[0] = r[1] = _mm256_setzero_ps();
    const std::uint8_t* key = phase.keys + j * bytes;
    for (int d = 0; d < dim; ++d, key += tokens * bytes) {
      const __m256 k0 = load_codes<P>(key), k1 = load_codes<P>(key + 8 * bytes);
      for (int r = 0; r < Rows; ++r) {
        const __m256 x = _mm256_set1_ps(q[r * dim + d]);
        s[r][0] = _mm256_fmadd_ps(x, k0, s[r][0]);
        s[r][1] = _mm256_fmadd_ps(x, k1, s[r][1]);
      }
    }
    for (int r = 0; r < Rows; ++r)
      for (int v = 0; v < 2; ++v) _mm256_storeu_ps(phase.block.scores + (row + r) * tokens + j + 8 * v, s[r][v]);
  }
}

/// acc(row) = acc(row) * shrink[row] + the sum of scores(row, j) * value(j) over the keys of the range, sixteen elements at a time.
template <Precision P, int Rows>
void add_values(const Phase& phase, int row, KeyRange range, const float* shrink) {
  const int tokens = phase.tokens, stride = phase.stride;
  constexpr int bytes = bits(P) / 8;
  const float* const weight = phase.block.scores + row * tokens;
  for (int d = 0; d < stride; d += 16) {
    float* const acc = phase.block.acc + row * stride + d;
    __m256 sum[Rows][2];
    for (int r = 0; r < Rows; ++r)
      for (int v = 0; v < 2; ++v) sum[r][v] = _mm256_mul_ps(_mm256_loadu_ps(acc + r * stride + 8 * v), _mm256_set1_ps(shrink[row + r]));
    const std::uint8_t* value = phase.values + (range.begin * stride + d) * bytes;
    for (int j = range.begin; j < range.end; ++j, value += stride * bytes) {
      const __m256 x0 = load_codes<P>(value), x1 = load_codes<P>(value + 8 * bytes);
      for (int r = 0; r < Rows; ++r) {
        const __m256 w = _mm256_set1_ps(weight[r * tokens + j]);
        sum[r][0] = _mm256_fmadd_ps(w, x0, sum[r][0]);
        sum[r][1] = _mm256_fmadd_ps(w, x1, sum[r][1]);
      }
    }
    for (int r = 0; r < Rows; ++r)
      for (int v = 0; v < 2; ++v) _mm256_storeu_ps(acc + r * stride + 8 * v, sum[r][v]);
  }
}

/// Rows are a number at run time up to Most; each count has its own register tile.
template <Precision P, int Most = 4>
void score_up_to(const Phase& phase, int row, int rows) {
  if constexpr (Most > 1)
    if (rows < Most) return score_up_to<P, Most - 1>(phase, row, rows);
  score_rows<P, Most>(phase, row);
}

template <Precision P, int Most = 4>
void add_values_up_to(const Phase& phase, int row, int rows, KeyRange range, const float* shrink) {
  if constexpr (Most > 1)
    if (rows < Most) return add_values_up_to<P, Most - 1>(phase, row, rows, range, shrink);
  add_values<P, Most>(phase, row, range, shrink);
}

/// All ones in the lanes of keys [j, j + 8) that lie in the range.
inline __m256 visible(KeyRange range, int j) {
  const __m256i key = _mm256_add_epi32(_mm256_set1_epi32(j), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  const __m256i from = _mm256_cmpgt_epi32(key, _mm256_set1_epi32(range.begin - 1));
  return _mm256_castsi256_ps(_mm256_and_si256(from, _mm256_cmpgt_epi32(_mm256_set1_epi32(range.end), key)));
}

/// The scales of a tile's keys and values in units of code_unit; not filled for formats without scales.
struct TileScales {
  float key[128], value[128];
};

template <Precision P>
void load_scales(const KeyTile& tile, TileScales& scales) {
  for (int j = 0; j < tile.page_tokens; ++j) {
    scales.key[j] = tile.run.key_scales[j] * code_unit<P>;
    scales.value[j] = tile.run.value_scales[j] * code_unit<P>;
  }
}

/// Turns the scores of a row into weights and returns the factor by which its accumulator shrinks.
template <bool Scaled>
float weigh_row(const TileScales& scales, int tokens, const RowBlock& block, int row, KeyRange range) {
  const __m256 none = _mm256_set1_ps(-std::numeric_limits<float>::infinity());
  float* const s = block.scores + row * tokens;
  __m256 largest = none;
  for (int j = 0; j < tokens; j += 8) {
    __m256 x = _mm256_loadu_ps(s + j);
    if constexpr (Scaled) x = _mm256_mul_ps(x, _mm256_loadu_ps(scales.key + j));
    _mm256_storeu_ps(s + j, x);
    // In this order a NaN is passed over; its weight will be NaN.
    largest = _mm256_max_ps(_mm256_blendv_ps(none, x, visible(range, j)), largest);
  }
  const float before = block.max[row], found = horizontal_max(largest), now = found > before ? found : before;
  block.max[row] = now;
  const float shrink = now == before ? 1.0f : _mm256_cvtss_f32(exp2(_mm256_set1_ps(before - now)));
  float* const sum = block.sum + row * sum_lanes;
  __m256 sums[2] = {_mm256_mul_ps(_mm256_loadu_ps(sum), _mm256_set1_ps(shrink)),
                    _mm256_mul_ps(_mm256_loadu_ps(sum + 8), _mm256_set1_ps(shrink))};
  for (int j = 0; j < tokens; j += 8) {
    __m256 w = exp2(_mm256_sub_ps(_mm256_loadu_ps(s + j), _mm256_set1_ps(now)));
    sums[j / 8 % 2] = _mm256_add_ps(sums[j / 8 % 2], _mm256_and_ps(visible(range, j), w));
    if constexpr (Scaled) w = _mm256_mul_ps(w, _mm256_loadu_ps(scales.value + j));
    _mm256_storeu_ps(s + j, w);  // weights outside of the range are not read
  }
  _mm256_storeu_ps(sum, sums[0]);
  _mm256_storeu_ps(sum + 8, sums[1]);
  return shrink;
}

/// The three phases over all rows, reading codes of P, or of any format when they were decoded to f32 before.
template <Precision P, bool Scaled>
void tile_rows(const KeyTile& tile, const Phase& phase, const TileScales& scales) {
  constexpr int most = 4;
  const RowBlock& block = phase.block;
  const RowRange rows = visible_rows(tile, block);
  for (int row = rows.begin; row < rows.end; row += most) score_up_to<P>(phase, row, rows.end - row);
  for_each_run(tile, block, [&](int row, int row_end, KeyRange range) {
    for (int r = row; r < row_end; ++r) block.shrink[r] = weigh_row<Scaled>(scales, tile.page_tokens, block, r, range);
    for (; row < row_end; row += most) add_values_up_to<P>(phase, row, row_end - row, range, block.shrink);
  });
}

/// See TileKernel. A few rows decode the codes in registers as they go; more share a tile that is decoded once.
template <Precision P>
void attention_tile(const KeyTile& tile, const RowBlock& block) {
  const int tokens = tile.page_tokens, dim = tile.head_dim, stride = tile.value_stride;
  Phase phase{tile.run.keys, tile.run.values, tokens, dim, stride, block};
  TileScales scales;
  if constexpr (has_kv_scale(P)) load_scales<P>(tile, scales);
  if (block.rows <= 4) return tile_rows<P, has_kv_scale(P)>(tile, phase, scales);
  float *const keys = block.decoded, *const values = block.decoded + dim * tokens;
  for (int i = 0; i < dim * tokens; i += 8) _mm256_storeu_ps(keys + i, load_codes<P>(tile.run.keys + i * bits(P) / 8));
  for (int i = 0; i < tokens * stride; i += 8) _mm256_storeu_ps(values + i, load_codes<P>(tile.run.values + i * bits(P) / 8));
  phase.keys = reinterpret_cast<const std::uint8_t*>(keys);
  phase.values = reinterpret_cast<const std::uint8_t*>(values);
  tile_rows<Precision::f32, has_kv_scale(P)>(tile, phase, scales);
}

}  // namespace vernier::cpu::avx2
VERNIER_TARGET_END
#endif
