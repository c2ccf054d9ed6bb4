// The AVX-512 micro-kernel of attention: scores and weighted values as outer products in registers, sixteen keys or sixteen output elements
// to a vector. No sum ever crosses lanes except a row's maximum and sum, so a row's bits do not depend on the rows beside it.
//
// One body serves all formats: a step over rows of codes is 2 bytes a column, and its operand from a query or a weight is 4 bytes, whether
// that is a float or two codes of 16 bits. load_step() and multiply_add() know the difference.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "vernier/attention/pairs.hpp"
#include "vernier/attention/tile.hpp"
#include "vernier/attention/vector_avx512.hpp"
#include "vernier/core/macros.hpp"
#include "vernier/core/math.hpp"
#include "vernier/types/precision.hpp"

#ifdef __x86_64__

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {

/// Sixteen lanes of sums, operands or steps: of integers for i8, else of floats.
template <Precision P>
struct StepLanesOf {
  using Type = __m512;
};
template <>
struct StepLanesOf<Precision::i8> {
  using Type = __m512i;
};
template <Precision P>
using StepLanes = typename StepLanesOf<P>::Type;

/// One step of sixteen columns: floats for formats of 16 bits, pairs of int16 for i8, pairs of bf16 in units of fp8_unit for e4m3 and e5m2.
/// The NaN codes of fp8 need no care: their scale is NaN.
template <Precision P>
inline StepLanes<P> load_step(const std::uint8_t* at) {
  const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  if constexpr (P == Precision::f16)
    return _mm512_cvtph_ps(codes);
  else if constexpr (P == Precision::bf16)
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(codes), 16));
  else if constexpr (P == Precision::i8)
    return _mm512_cvtepi8_epi16(codes);
  else if constexpr (P == Precision::e4m3)  // s eeee mmm -> s 0000eeee mmm0000
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_slli_epi16(_mm512_cvtepi8_epi16(codes), 4), _mm512_set1_epi16(static_cast<short>(0x87f0))));
  else if constexpr (P == Precision::e5m2)  // s eeeee mm -> s 000eeeee mm00000
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_slli_epi16(_mm512_cvtepi8_epi16(codes), 5), _mm512_set1_epi16(static_cast<short>(0x8fe0))));
  else
    static_assert(P == Precision::f16, "vernier::cpu::avx512::load_step: no decoder for this precision; add one here");
}

/// The operand of a step, from a query or a weight, in every lane.
template <Precision P>
inline StepLanes<P> broadcast_step(const std::uint8_t* at) {
  std::conditional_t<P == Precision::i8, int, float> x;
  std::memcpy(&x, at, sizeof x);
  if constexpr (P == Precision::i8)
    return _mm512_set1_epi32(x);
  else
    return _mm512_set1_ps(x);
}

/// sum + operand * codes, for one step.
template <Precision P>
inline StepLanes<P> multiply_add(StepLanes<P> sum, StepLanes<P> operand, StepLanes<P> codes) {
  if constexpr (P == Precision::i8) {
    // As the intrinsic of the same name; g++ 12 copies its sums between registers and memory, which takes half of the time.
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(operand), "v"(codes));
    return sum;
  } else if constexpr (bits(P) == 8)
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(operand), (__m512bh)_mm512_castps_si512(codes));
  else
    return _mm512_fmadd_ps(operand, codes, sum);
}

/// A tile reads its keys first and its values later, which no processor foresees. So while keys are read, the values of their page are
/// fetched, and while values are read, the keys of the next tile: as many bytes as are read, at the same distance. Into the second level,
/// as a tile is larger than the first.
inline void fetch(const std::uint8_t* at, std::ptrdiff_t ahead) { _mm_prefetch(reinterpret_cast<const char*>(at + ahead), _MM_HINT_T1); }

/// scores(row, j) = q(row) . key(j), up to scales, for rows [row, row + Rows) and keys [j, j + 16 * Vectors), which may span pages.
template <Precision P, int Rows, int Vectors>
[[gnu::noinline]] void score_rows(const KeyTile& tile, const RowBlock& block, int row, int j) {
  constexpr int step = vernier::detail::step_rows<P>;
  const int steps = tile.head_dim / step, tokens = tile.page_tokens;
  const void* const q = step == 1 ? static_cast<const void*>(block.q) : block.q_codes;
  const std::uint8_t* operand = static_cast<const std::uint8_t*>(q) + row * steps * 4;
  const std::ptrdiff_t to_values = tile.runs[0].values - tile.runs[0].keys;
  const std::uint8_t* key[Vectors];
#pragma GCC unroll 8
  for (int v = 0; v < Vectors; ++v) key[v] = tile.runs[(j + 16 * v) / tokens].keys + (j + 16 * v) % tokens * 2;
  StepLanes<P> s[Rows][Vectors];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) s[r][v] = StepLanes<P>{};
  for (int d = 0; d < steps; ++d, operand += 4) {
    StepLanes<P> k[Vectors];
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; v += 2) fetch(key[v], to_values);
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) k[v] = load_step<P>(key[v]), key[v] += 2 * tokens;
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      const StepLanes<P> x = broadcast_step<P>(operand + r * steps * 4);
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) s[r][v] = multiply_add<P>(s[r][v], x, k[v]);
    }
  }
  float* const scores = block.scores + row * most_tile_keys + j;
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) {
      float* const to = scores + r * most_tile_keys + 16 * v;
      if constexpr (P == Precision::i8)
        _mm512_storeu_ps(to, _mm512_mul_ps(_mm512_cvtepi32_ps(s[r][v]), _mm512_set1_ps(block.q_scale[row + r])));
      else
        _mm512_storeu_ps(to, s[r][v]);
    }
}

/// acc(row) += the sum of weight(row, j) * value(j) over the keys of the range, in elements [d, d + 16 * Vectors). Integers for i8.
template <Precision P, int Rows, int Vectors>
[[gnu::noinline]] void add_values(const KeyTile& tile, const RowBlock& block, int row, KeyRange range, int d) {
  constexpr int step = vernier::detail::step_rows<P>;
  const int tokens = tile.page_tokens, stride = tile.value_stride;
  float* const acc = block.acc + row * stride + d;
  const std::uint8_t* const weight = reinterpret_cast<const std::uint8_t*>(block.scores + row * most_tile_keys);
  StepLanes<P> sum[Rows][Vectors];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) std::memcpy(&sum[r][v], acc + r * stride + 16 * v, sizeof sum[r][v]);
  for (int j = range.begin; j < range.end;) {
    const int page = j / tokens, stop = std::min(range.end, (page + 1) * tokens);
    const std::uint8_t* value = tile.runs[page].values + ((j - page * tokens) / step * stride + d) * 2;
    const std::ptrdiff_t ahead = row == 0 && page < tile.ahead ? tile.runs[page + tile.pages].keys - tile.runs[page].values : 0;
    for (; j < stop; j += step, value += 2 * stride) {
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; v += 2) fetch(value + 32 * v, ahead);
      StepLanes<P> x[Vectors];
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) x[v] = load_step<P>(value + 32 * v);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        const StepLanes<P> w = broadcast_step<P>(weight + (r * most_tile_keys + j / step) * 4);
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) sum[r][v] = multiply_add<P>(sum[r][v], w, x[v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) std::memcpy(acc + r * stride + 16 * v, &sum[r][v], sizeof sum[r][v]);
}

/// Rows are a number at run time up to Most; each count has its own register tile.
template <Precision P, int Most>
void score_up_to(const KeyTile& tile, const RowBlock& block, int row, int rows, KeyRange keys) {
  if constexpr (Most > 1)
    if (rows < Most) return score_up_to<P, Most - 1>(tile, block, row, rows, keys);
  int j = keys.begin;
  for (; j + 64 <= keys.end; j += 64) score_rows<P, Most, 4>(tile, block, row, j);
  for (; j < keys.end; j += 16) score_rows<P, Most, 1>(tile, block, row, j);
}

template <Precision P, int Most>
void add_values_up_to(const KeyTile& tile, const RowBlock& block, int row, int rows, KeyRange range) {
  if constexpr (Most > 1)
    if (rows < Most) return add_values_up_to<P, Most - 1>(tile, block, row, rows, range);
  int d = 0;
  for (; d + 64 <= tile.value_stride; d += 64) add_values<P, Most, 4>(tile, block, row, range, d);
  for (; d < tile.value_stride; d += 16) add_values<P, Most, 1>(tile, block, row, range, d);
}

/// The factors that turn the weights of a row into integers and back. A weight is at most 1 before the scales of values, so the largest of
/// these, over the keys that are seen, is enough to know.
struct CodeScale {
  float factor = 1, scale = 1;

  CodeScale(const KeyTile& tile, KeyRange range) {
    __m512i most = _mm512_setzero_si512();
    for (int j = range.begin / 16 * 16; j < range.end; j += 16)
      most = _mm512_max_epu32(most, _mm512_castps_si512(_mm512_maskz_loadu_ps(visible(range, j), tile.value_scales(j))));
    factor = vernier::detail::code_factor(bits_float(horizontal_max_unsigned(most)), scale);
  }
};

/// Multiplies the scores of a row by the scales of its keys and returns the largest, passing over NaN, whose weight will be NaN.
template <Precision P>
float largest_score(const KeyTile& tile, float* scores, KeyRange range) {
  __m512 largest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  for (int j = range.begin / 16 * 16; j < range.end; j += 16) {
    __m512 x = _mm512_loadu_ps(scores + j);
    if constexpr (has_kv_scale(P)) _mm512_storeu_ps(scores + j, x = _mm512_mul_ps(x, _mm512_loadu_ps(tile.key_scales(j))));
    largest = _mm512_mask_max_ps(largest, visible(range, j), x, largest);  // in this order a NaN is passed over
  }
  return horizontal_max(largest);
}

/// Turns the scores of a row into weights, in the form in which values are multiplied by them: floats, or codes of 16 bits that take the
/// place of the first half of the scores. Weights of keys next to the range, up to a vector, become 0. Returns the unit of the products.
template <Precision P>
float weigh_row(const KeyTile& tile, const RowBlock& block, int row, KeyRange range) {
  constexpr float score_unit = vernier::detail::fp8_pairs<P> ? vernier::detail::fp8_unit<P> : 1.0f;
  float* const s = block.scores + row * most_tile_keys;
  std::uint16_t* const codes = reinterpret_cast<std::uint16_t*>(s);  // written behind where scores are read
  const float max = largest_score<P>(tile, s, range) * score_unit;
  [[maybe_unused]] float unit = vernier::detail::fp8_lift, product_unit = score_unit;
  if constexpr (P == Precision::i8) {
    const CodeScale code(tile, range);
    unit = code.factor;
    product_unit = code.scale;
  }
  __m512 sum = _mm512_setzero_ps();
  for (int j = range.begin / 16 * 16; j < range.end; j += 16) {
    const __mmask16 seen = visible(range, j);
    const __m512 x = _mm512_fmsub_ps(_mm512_loadu_ps(s + j), _mm512_set1_ps(score_unit), _mm512_set1_ps(max));
    __m512 w = _mm512_maskz_mov_ps(seen, exp2(x));
    sum = _mm512_add_ps(sum, w);
    if constexpr (has_kv_scale(P))
      w = _mm512_maskz_mul_ps(seen, w, _mm512_mul_ps(_mm512_loadu_ps(tile.value_scales(j)), _mm512_set1_ps(unit)));
    if constexpr (P == Precision::i8)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + j), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(w)));
    else if constexpr (vernier::detail::fp8_pairs<P>)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + j), (__m256i)_mm512_cvtneps_pbh(w));
    else
      _mm512_storeu_ps(s + j, w);
  }
  block.state[row] = {max, horizontal_sum(sum)};
  return product_unit;
}

/// Sums of products of codes become values.
template <Precision P>
void finish_row(float* acc, int stride, float unit) {
  for (int i = 0; i < stride; i += 16) {
    const __m512 sum = _mm512_loadu_ps(acc + i);
    const __m512 value = P == Precision::i8 ? _mm512_cvtepi32_ps(_mm512_castps_si512(sum)) : sum;
    _mm512_storeu_ps(acc + i, _mm512_mul_ps(value, _mm512_set1_ps(unit)));
  }
}

/// See TileKernel.
template <Precision P>
void attention_tile(const KeyTile& tile, const RowBlock& block) {
  constexpr int row_tile = 6, step = vernier::detail::step_rows<P>;
  for (int j = 0; j < tile.keys(); j += 64) {
    const KeyRange keys{j, std::min(j + 64, tile.keys())};
    const RowRange rows = rows_that_see(tile, block, keys);
    for (int page = tile.page_of(j); has_kv_scale(P) && page < tile.pages && page <= tile.page_of(j + 63); ++page) fetch_scales(tile, page);
    for (int row = rows.begin; row < rows.end; row += row_tile) score_up_to<P, row_tile>(tile, block, row, rows.end - row, keys);
  }
  for (int row = 0; row < block.rows; row += row_tile) {
    const int rows = std::min(row_tile, block.rows - row);
    float* const acc = block.acc + row * tile.value_stride;
    KeyRange ranges[row_tile];
    float unit[row_tile] = {};
    std::memset(acc, 0, static_cast<std::size_t>(rows * tile.value_stride) * sizeof(float));
    for (int r = 0; r < rows; ++r) {
      ranges[r] = key_range(tile, block, (row + r) / block.group);
      block.state[row + r] = {};
      if (!ranges[r].empty()) unit[r] = weigh_row<P>(tile, block, row + r, ranges[r]);
    }
    for_shared_ranges({ranges, static_cast<std::size_t>(rows)}, step,
                      [&](int r, int count, KeyRange range) { add_values_up_to<P, row_tile>(tile, block, row + r, count, range); });
    for (int r = 0; r < rows && has_kv_scale(P); ++r) finish_row<P>(acc + r * tile.value_stride, tile.value_stride, unit[r]);
  }
}

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END
#endif
