// The AVX-512 micro-kernel of attention: scores and weighted values as outer products in registers, sixteen keys or sixteen output elements
// to a vector. No sum ever crosses lanes except the maximum, so a row's bits do not depend on the rows beside it.
#pragma once

#include <cstdint>
#include <limits>

#include "vernier/attention/exp2.hpp"
#include "vernier/attention/tile.hpp"
#include "vernier/core/macros.hpp"
#include "vernier/types/precision.hpp"

#ifdef __x86_64__
#include <immintrin.h>

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {

/// What load_codes() leaves out: e4m3 becomes a binary16 by moving its bits, which are then 2^-8 too small.
template <Precision P>
inline constexpr float code_unit = P == Precision::e4m3 ? 256.0f : 1.0f;

/// Sixteen codes, or sixteen floats that were decoded before (P = f32), in units of code_unit. The NaN codes of e4m3 need no care: their
/// scale is NaN.
template <Precision P>
inline __m512 load_codes(const std::uint8_t* at) {
  const __m256i* const wide = reinterpret_cast<const __m256i*>(at);
  const __m128i* const narrow = reinterpret_cast<const __m128i*>(at);
  if constexpr (P == Precision::f32)
    return _mm512_loadu_ps(at);
  else if constexpr (P == Precision::f16)
    return _mm512_cvtph_ps(_mm256_loadu_si256(wide));
  else if constexpr (P == Precision::bf16)
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(wide)), 16));
  else if constexpr (P == Precision::e5m2)  // the upper byte of a binary16
    return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128(narrow)), 8));
  else if constexpr (P == Precision::e4m3)  // s eeee mmm -> s 0eeee mmm0000000
    return _mm512_cvtph_ps(_mm256_and_si256(_mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(narrow)), 7),
                                            _mm256_set1_epi16(static_cast<short>(0xbfff))));
  else
    static_assert(P == Precision::f32, "vernier::cpu::avx512::load_codes: no decoder for this precision; add one here");
}

/// 2^x for x <= 0; NaN stays NaN. See exp2.hpp.
inline __m512 exp2(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-160.0f), x);  // in this order NaN passes; -160 is below every float
  const __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), r = _mm512_sub_ps(x, n);
  __m512 sum = _mm512_set1_ps(vernier::detail::exp2_coefficients[5]);
  for (int i = 4; i >= 0; --i) sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(vernier::detail::exp2_coefficients[i]));
  return _mm512_scalef_ps(_mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f)), n);
}

inline float horizontal_max(__m512 x) {
  __m256 y = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  __m128 z = _mm_max_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
  z = _mm_max_ps(z, _mm_movehl_ps(z, z));
  return _mm_cvtss_f32(_mm_max_ss(z, _mm_movehdup_ps(z)));
}

/// What the phases of a tile share. Codes are those of the cache or, for many rows, the decoded floats.
struct Phase {
  const std::uint8_t* keys;    // (dim, tokens)
  const std::uint8_t* values;  // (tokens, stride)
  int tokens, dim, stride;
  const RowBlock& block;
  const std::uint8_t* next;  // see KeyTile; fetched by the first pass over the scores
  int run_bytes;
};

/// Fetches a tile's successor piece by piece, one step of a loop at a time. Only for 8-bit codes, whose tiles are consumed faster than the
/// processor's own prefetcher restarts: e4m3 gains 13 % and i8 5 % (depth 4096, one Zen 4 core), while 16-bit codes would lose 40 %.
struct Prefetch {
  const std::uint8_t* at;
  std::ptrdiff_t step;

  Prefetch(const Phase& phase, int row, int steps) : at(phase.keys), step(0) {
    if (row != 0 || phase.next == nullptr) return;  // then it touches what is there already
    at = phase.next;
    step = phase.run_bytes / steps;
  }
  void advance() {
    _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(at + 64), _MM_HINT_T0);
    at += step;
  }
};

/// scores(row, j) = q(row) . key(j) for rows [row, row + Rows) and all keys of the tile.
template <Precision P, int Rows, int Vectors>
void score_rows(const Phase& phase, int row) {
  const int dim = phase.dim, tokens = phase.tokens;
  const float* const q = phase.block.q + row * dim;
  constexpr int bytes = bits(P) / 8;
  [[maybe_unused]] Prefetch prefetch(phase, row, dim);
  for (int j = 0; j < tokens; j += 16 * Vectors) {
    __m512 s[Rows][Vectors];
    for (auto& r : s)
      for (__m512& x : r) x = _mm512_setzero_ps();
    const std::uint8_t* key = phase.keys + j * bytes;
    for (int d = 0; d < dim; ++d, key += tokens * bytes) {
      if constexpr (bits(P) == 8) prefetch.advance();
      __m512 k[Vectors];
      for (int v = 0; v < Vectors; ++v) k[v] = load_codes<P>(key + v * 16 * bytes);
      for (int r = 0; r < Rows; ++r) {
        const __m512 x = _mm512_set1_ps(q[r * dim + d]);
        for (int v = 0; v < Vectors; ++v) s[r][v] = _mm512_fmadd_ps(x, k[v], s[r][v]);
      }
    }
    for (int r = 0; r < Rows; ++r)
      for (int v = 0; v < Vectors; ++v) _mm512_storeu_ps(phase.block.scores + (row + r) * tokens + j + 16 * v, s[r][v]);
  }
}

/// acc(row) = acc(row) * shrink[row] + the sum of scores(row, j) * value(j) over the keys of the range, in elements [d, d + 16 * Vectors).
template <Precision P, int Rows, int Vectors>
void add_values(const Phase& phase, int row, KeyRange range, const float* shrink, int d) {
  const int tokens = phase.tokens, stride = phase.stride;
  constexpr int bytes = bits(P) / 8;
  float* const acc = phase.block.acc + row * stride + d;
  const float* const weight = phase.block.scores + row * tokens;
  __m512 sum[Rows][Vectors];
  for (int r = 0; r < Rows; ++r)
    for (int v = 0; v < Vectors; ++v)
      sum[r][v] = _mm512_mul_ps(_mm512_loadu_ps(acc + r * stride + 16 * v), _mm512_set1_ps(shrink[row + r]));
  const std::uint8_t* value = phase.values + (range.begin * stride + d) * bytes;
  for (int j = range.begin; j < range.end; ++j, value += stride * bytes) {
    __m512 x[Vectors];
    for (int v = 0; v < Vectors; ++v) x[v] = load_codes<P>(value + v * 16 * bytes);
    for (int r = 0; r < Rows; ++r) {
      const __m512 w = _mm512_set1_ps(weight[r * tokens + j]);
      for (int v = 0; v < Vectors; ++v) sum[r][v] = _mm512_fmadd_ps(w, x[v], sum[r][v]);
    }
  }
  for (int r = 0; r < Rows; ++r)
    for (int v = 0; v < Vectors; ++v) _mm512_storeu_ps(acc + r * stride + 16 * v, sum[r][v]);
}

/// Rows are a number at run time up to Most; each count has its own register tile.
template <Precision P, int Most>
void score_up_to(const Phase& phase, int row, int rows) {
  if constexpr (Most > 1)
    if (rows < Most) return score_up_to<P, Most - 1>(phase, row, rows);
  if constexpr (P == Precision::f32)
    if (phase.tokens % 32 != 0) return score_rows<P, Most, 1>(phase, row);
  score_rows<P, Most, 2>(phase, row);
}

template <Precision P, int Most>
void add_values_up_to(const Phase& phase, int row, int rows, KeyRange range, const float* shrink) {
  if constexpr (Most > 1)
    if (rows < Most) return add_values_up_to<P, Most - 1>(phase, row, rows, range, shrink);
  int d = 0;
  for (; d + 64 <= phase.stride; d += 64) add_values<P, Most, 4>(phase, row, range, shrink, d);
  if constexpr (P == Precision::f32)
    for (; d < phase.stride; d += 16) add_values<P, Most, 1>(phase, row, range, shrink, d);
}

/// The scales of a tile's keys and values in units of code_unit; not filled for formats without scales.
struct TileScales {
  float key[128], value[128];
};

template <Precision P>
void load_scales(const KeyTile& tile, TileScales& scales) {
  const __m512 unit = _mm512_set1_ps(code_unit<P>);
  for (int j = 0; j < tile.page_tokens; j += 16) {
    _mm512_storeu_ps(scales.key + j, _mm512_mul_ps(_mm512_loadu_ps(tile.run.key_scales + j), unit));
    _mm512_storeu_ps(scales.value + j, _mm512_mul_ps(_mm512_loadu_ps(tile.run.value_scales + j), unit));
  }
}

/// For each vector of sixteen keys of a page, a bit for each key that lies in a range.
struct KeyMasks {
  __mmask16 bits[8];

  explicit KeyMasks(KeyRange range) {
    for (int v = 0; v < 8; ++v) {
      const int low = range.begin > 16 * v ? range.begin - 16 * v : 0, high = range.end < 16 * v + 16 ? range.end - 16 * v : 16;
      bits[v] = static_cast<__mmask16>(low >= high ? 0u : ((1u << high) - (1u << low)));
    }
  }
};

/// Turns the scores of rows [row, end) into weights and notes the factor by which each row's accumulator shrinks. In three passes over the
/// rows, so that the long chains of one row (maximum, exponential) overlap with those of the next.
template <bool Scaled>
void weigh_rows(const TileScales& scales, int tokens, const RowBlock& block, int row, int end, KeyRange range) {
  const __m512 none = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  const KeyMasks visible(range);
  for (int r = row; r < end; ++r) {
    float* const s = block.scores + r * tokens;
    __m512 largest = none;
    for (int j = 0; j < tokens; j += 16) {
      __m512 x = _mm512_loadu_ps(s + j);
      if constexpr (Scaled) _mm512_storeu_ps(s + j, x = _mm512_mul_ps(x, _mm512_loadu_ps(scales.key + j)));
      // In this order a NaN is passed over; its weight will be NaN.
      largest = _mm512_mask_max_ps(largest, visible.bits[j / 16], x, largest);
    }
    block.shrink[r] = horizontal_max(largest);
  }
  for (int r = row; r < end; r += 16) {
    const __mmask16 rows = static_cast<__mmask16>(end - r < 16 ? (1u << (end - r)) - 1u : 0xffffu);
    const __m512 before = _mm512_maskz_loadu_ps(rows, block.max + r);
    const __m512 now = _mm512_max_ps(_mm512_maskz_loadu_ps(rows, block.shrink + r), before);
    const __mmask16 same = _mm512_cmp_ps_mask(now, before, _CMP_EQ_OQ);  // also where both are infinite
    const __m512 shrink = _mm512_mask_mov_ps(exp2(_mm512_sub_ps(before, now)), same, _mm512_set1_ps(1.0f));
    _mm512_mask_storeu_ps(block.max + r, rows, now);
    _mm512_mask_storeu_ps(block.shrink + r, rows, shrink);
  }
  for (int r = row; r < end; ++r) {
    float* const s = block.scores + r * tokens;
    const __m512 now = _mm512_set1_ps(block.max[r]);
    __m512 sum = _mm512_mul_ps(_mm512_loadu_ps(block.sum + r * sum_lanes), _mm512_set1_ps(block.shrink[r]));
    for (int j = 0; j < tokens; j += 16) {
      __m512 w = exp2(_mm512_sub_ps(_mm512_loadu_ps(s + j), now));
      sum = _mm512_mask_add_ps(sum, visible.bits[j / 16], sum, w);
      if constexpr (Scaled) w = _mm512_mul_ps(w, _mm512_loadu_ps(scales.value + j));
      _mm512_storeu_ps(s + j, w);  // weights outside of the range are not read
    }
    _mm512_storeu_ps(block.sum + r * sum_lanes, sum);
  }
}

/// The three phases over all rows, reading codes of P, or of any format when they were decoded to f32 before.
template <Precision P, bool Scaled>
void tile_rows(const KeyTile& tile, const Phase& phase, const TileScales& scales) {
  constexpr bool decoded = P == Precision::f32;
  constexpr int score_tile = decoded ? 8 : 4, value_tile = decoded ? 6 : 4;
  const RowBlock& block = phase.block;
  const RowRange rows = visible_rows(tile, block);
  for (int row = rows.begin; row < rows.end; row += score_tile) score_up_to<P, score_tile>(phase, row, rows.end - row);
  for_each_run(tile, block, [&](int row, int row_end, KeyRange range) {
    weigh_rows<Scaled>(scales, tile.page_tokens, block, row, row_end, range);
    for (; row < row_end; row += value_tile) add_values_up_to<P, value_tile>(phase, row, row_end - row, range, block.shrink);
  });
}

/// See TileKernel. A few rows decode the codes in registers as they go; more share a tile that is decoded once.
template <Precision P>
void attention_tile(const KeyTile& tile, const RowBlock& block) {
  const int tokens = tile.page_tokens, dim = tile.head_dim, stride = tile.value_stride;
  Phase phase{tile.run.keys, tile.run.values, tokens, dim, stride, block, tile.next, tile.run_bytes};
  TileScales scales;
  if constexpr (has_kv_scale(P)) load_scales<P>(tile, scales);
  if (block.rows <= 4 && tokens % 32 == 0 && stride % 64 == 0) return tile_rows<P, has_kv_scale(P)>(tile, phase, scales);
  float *const keys = block.decoded, *const values = block.decoded + dim * tokens;
  for (int i = 0; i < dim * tokens; i += 16) _mm512_storeu_ps(keys + i, load_codes<P>(tile.run.keys + i * bits(P) / 8));
  for (int i = 0; i < tokens * stride; i += 16) _mm512_storeu_ps(values + i, load_codes<P>(tile.run.values + i * bits(P) / 8));
  phase.keys = reinterpret_cast<const std::uint8_t*>(keys);
  phase.values = reinterpret_cast<const std::uint8_t*>(values);
  tile_rows<Precision::f32, has_kv_scale(P)>(tile, phase, scales);
}

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END
#endif
