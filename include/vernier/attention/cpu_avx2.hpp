// The AVX2 micro-kernel of attention: the same outer products as cpu_avx512.hpp, eight lanes wide and with sixteen registers. See there for
// the reasons. There is no bf16 product here: e4m3 and e5m2 are multiplied as floats, two multiply-adds to a pair.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "vernier/attention/pairs.hpp"
#include "vernier/attention/tile.hpp"
#include "vernier/attention/vector_avx2.hpp"
#include "vernier/core/macros.hpp"
#include "vernier/core/math.hpp"
#include "vernier/types/precision.hpp"

#ifdef __x86_64__

VERNIER_TARGET_AVX2
namespace vernier::cpu::avx2 {

/// One step of eight columns: floats for formats of 16 bits, pairs of int16 for i8; for e4m3 and e5m2 the first and the second of each
/// pair as floats, in units of fp8_unit * fp8_lift, subnormals included.
struct Step {
  __m256 first, second;
};

template <Precision P>
inline Step load_step(const std::uint8_t* at) {
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  if constexpr (P == Precision::f16) return {_mm256_cvtph_ps(codes), _mm256_setzero_ps()};
  if constexpr (P == Precision::bf16)
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(codes), 16)), _mm256_setzero_ps()};
  const __m256i wide = _mm256_cvtepi8_epi16(codes);
  if constexpr (P == Precision::i8) return {_mm256_castsi256_ps(wide), _mm256_setzero_ps()};
  // As bf16, see cpu_avx512.hpp; the second of each pair is the upper half of a float.
  constexpr int shift = P == Precision::e4m3 ? 4 : 5;
  constexpr unsigned mask = P == Precision::e4m3 ? 0x87f0u : 0x8fe0u;
  const __m256i moved = _mm256_slli_epi16(wide, shift);
  return {_mm256_castsi256_ps(_mm256_and_si256(_mm256_slli_epi32(moved, 16), _mm256_set1_epi32(static_cast<int>(mask << 16)))),
          _mm256_castsi256_ps(_mm256_and_si256(moved, _mm256_set1_epi32(static_cast<int>(mask << 16))))};
}

/// Bytes of the operand of a step: a float, two codes, or two floats.
template <Precision P>
inline constexpr int operand_bytes = vernier::detail::fp8_pairs<P> ? 8 : 4;

/// sum + operand * codes, for one step. The lanes of the sum are floats, or their bits are those of integers.
template <Precision P>
inline __m256 multiply_add(__m256 sum, const std::uint8_t* operand, const Step& codes) {
  float x[2] = {};
  std::memcpy(x, operand, operand_bytes<P>);
  if constexpr (P == Precision::i8)
    return _mm256_castsi256_ps(_mm256_add_epi32(
        _mm256_castps_si256(sum), _mm256_madd_epi16(_mm256_castps_si256(_mm256_set1_ps(x[0])), _mm256_castps_si256(codes.first))));
  sum = _mm256_fmadd_ps(_mm256_set1_ps(x[0]), codes.first, sum);
  if constexpr (vernier::detail::fp8_pairs<P>) sum = _mm256_fmadd_ps(_mm256_set1_ps(x[1]), codes.second, sum);
  return sum;
}

/// As in cpu_avx512.hpp, but half a line a step, from one end of the page to the other: whole lines would come in bursts.
inline void fetch(const std::uint8_t* at) { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1); }

/// scores(row, j) = q(row) . key(j), up to scales, for rows [row, row + Rows) and all keys of a page.
template <Precision P, int Rows>
[[gnu::noinline]] void score_rows(const KeyTile& tile, const RowBlock& block, int row, int page) {
  constexpr int step = vernier::detail::step_rows<P>, bytes = operand_bytes<P>;
  const int steps = tile.head_dim / step, tokens = tile.page_tokens;
  const void* const q = P == Precision::i8 ? static_cast<const void*>(block.q_codes) : block.q;
  const std::uint8_t* const operand = static_cast<const std::uint8_t*>(q) + row * steps * bytes;
  float* const scores = block.scores + row * most_tile_keys + page * tokens;
  for (int j = 0; j < tokens; j += 16) {
    __m256 s[Rows][2];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) s[r][0] = s[r][1] = _mm256_setzero_ps();
    const std::uint8_t* key = tile.runs[page].keys + 2 * j;
    const std::uint8_t* const ahead = tile.runs[page].values + 2 * j * steps;
    for (int d = 0; d < steps; ++d, key += 2 * tokens) {
      fetch(ahead + 32 * d);
      const Step k0 = load_step<P>(key), k1 = load_step<P>(key + 16);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        s[r][0] = multiply_add<P>(s[r][0], operand + (r * steps + d) * bytes, k0);
        s[r][1] = multiply_add<P>(s[r][1], operand + (r * steps + d) * bytes, k1);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        if constexpr (P == Precision::i8)
          s[r][v] = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_castps_si256(s[r][v])), _mm256_set1_ps(block.q_scale[row + r]));
        _mm256_storeu_ps(scores + r * most_tile_keys + j + 8 * v, s[r][v]);
      }
  }
}

/// acc(row) += the sum of weight(row, j) * value(j) over the keys of the range, sixteen elements at a time. Integers for i8.
template <Precision P, int Rows>
[[gnu::noinline]] void add_values(const KeyTile& tile, const RowBlock& block, int row, KeyRange range, int d) {
  constexpr int step = vernier::detail::step_rows<P>, bytes = operand_bytes<P>;
  const int tokens = tile.page_tokens, stride = tile.value_stride;
  const std::uint8_t* const weight = reinterpret_cast<const std::uint8_t*>(block.scores + row * most_tile_keys);
  float* const acc = block.acc + row * stride + d;
  __m256 sum[Rows][2];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) sum[r][0] = _mm256_loadu_ps(acc + r * stride), sum[r][1] = _mm256_loadu_ps(acc + r * stride + 8);
  for (int j = range.begin; j < range.end;) {
    const int page = j / tokens, stop = std::min(range.end, (page + 1) * tokens);
    const std::uint8_t* value = tile.runs[page].values + ((j - page * tokens) / step * stride + d) * 2;
    const bool fetches = row == 0 && page < tile.ahead;
    const std::uint8_t* ahead = fetches ? tile.runs[page + tile.pages].keys + 2 * d * tokens / step : value;
    for (; j < stop; j += step, value += 2 * stride, ahead += 32) {
      fetch(ahead);
      const Step x0 = load_step<P>(value), x1 = load_step<P>(value + 16);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        const std::uint8_t* const w = weight + r * most_tile_keys * 4 + j / step * bytes;
        sum[r][0] = multiply_add<P>(sum[r][0], w, x0);
        sum[r][1] = multiply_add<P>(sum[r][1], w, x1);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) _mm256_storeu_ps(acc + r * stride, sum[r][0]), _mm256_storeu_ps(acc + r * stride + 8, sum[r][1]);
}

/// Rows are a number at run time up to Most; each count has its own register tile.
template <Precision P, int Most = 4>
void score_up_to(const KeyTile& tile, const RowBlock& block, int row, int rows, int page) {
  if constexpr (Most > 1)
    if (rows < Most) return score_up_to<P, Most - 1>(tile, block, row, rows, page);
  score_rows<P, Most>(tile, block, row, page);
}

template <Precision P, int Most = 4>
void add_values_up_to(const KeyTile& tile, const RowBlock& block, int row, int rows, KeyRange range) {
  if constexpr (Most > 1)
    if (rows < Most) return add_values_up_to<P, Most - 1>(tile, block, row, rows, range);
  for (int d = 0; d < tile.value_stride; d += 16) add_values<P, Most>(tile, block, row, range, d);
}

/// As in cpu_avx512.hpp.
struct CodeScale {
  float factor = 1, scale = 1;

  CodeScale(const KeyTile& tile, KeyRange range) {
    __m256i most = _mm256_setzero_si256();
    for (int j = range.begin / 8 * 8; j < range.end; j += 8)
      most = _mm256_max_epu32(most, _mm256_castps_si256(_mm256_and_ps(visible(range, j), _mm256_loadu_ps(tile.value_scales(j)))));
    factor = vernier::detail::code_factor(bits_float(horizontal_max_unsigned(most)), scale);
  }
};

/// Multiplies the scores of a row by the scales of its keys and returns the largest, passing over NaN, whose weight will be NaN.
template <Precision P>
float largest_score(const KeyTile& tile, float* scores, KeyRange range) {
  const __m256 none = _mm256_set1_ps(-std::numeric_limits<float>::infinity());
  __m256 largest = none;
  for (int j = range.begin / 8 * 8; j < range.end; j += 8) {
    __m256 x = _mm256_loadu_ps(scores + j);
    if constexpr (has_kv_scale(P)) _mm256_storeu_ps(scores + j, x = _mm256_mul_ps(x, _mm256_loadu_ps(tile.key_scales(j))));
    largest = _mm256_max_ps(_mm256_blendv_ps(none, x, visible(range, j)), largest);  // in this order a NaN is passed over
  }
  return horizontal_max(largest);
}

/// Turns the scores of a row into weights, in the form in which values are multiplied by them: floats, or for i8 integers that take the
/// place of the first half of the scores. Weights of keys next to the range, up to a vector, become 0. Returns the unit of the products.
template <Precision P>
float weigh_row(const KeyTile& tile, const RowBlock& block, int row, KeyRange range) {
  constexpr float score_unit = vernier::detail::fp8_pairs<P> ? vernier::detail::fp8_unit<P> : 1.0f;
  float* const s = block.scores + row * most_tile_keys;
  const float max = largest_score<P>(tile, s, range) * score_unit;
  [[maybe_unused]] float unit = vernier::detail::fp8_lift, product_unit = score_unit;
  if constexpr (P == Precision::i8) {
    const CodeScale code(tile, range);
    unit = code.factor;
    product_unit = code.scale;
  }
  __m256 sums[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  for (int j = range.begin / 8 * 8; j < range.end; j += 8) {
    const __m256 seen = visible(range, j);
    const __m256 x = _mm256_fmsub_ps(_mm256_loadu_ps(s + j), _mm256_set1_ps(score_unit), _mm256_set1_ps(max));
    __m256 w = _mm256_and_ps(seen, exp2(x));
    sums[j / 8 % 2] = _mm256_add_ps(sums[j / 8 % 2], w);
    if constexpr (has_kv_scale(P))
      w = _mm256_and_ps(seen, _mm256_mul_ps(w, _mm256_mul_ps(_mm256_loadu_ps(tile.value_scales(j)), _mm256_set1_ps(unit))));
    if constexpr (P == Precision::i8)
      store_codes(reinterpret_cast<std::uint16_t*>(s) + j, w);  // behind where scores are read
    else
      _mm256_storeu_ps(s + j, w);
  }
  block.state[row] = {max, horizontal_sum(_mm256_add_ps(sums[0], sums[1]))};
  return product_unit;
}

/// Sums of products of codes become values.
template <Precision P>
void finish_row(float* acc, int stride, float unit) {
  for (int i = 0; i < stride; i += 8) {
    const __m256 sum = _mm256_loadu_ps(acc + i);
    const __m256 value = P == Precision::i8 ? _mm256_cvtepi32_ps(_mm256_castps_si256(sum)) : sum;
    _mm256_storeu_ps(acc + i, _mm256_mul_ps(value, _mm256_set1_ps(unit)));
  }
}

/// See TileKernel.
template <Precision P>
void attention_tile(const KeyTile& tile, const RowBlock& block) {
  constexpr int most = 4, step = vernier::detail::step_rows<P>;
  const int stride = tile.value_stride;
  for (int page = 0; page < tile.pages; ++page) {
    const RowRange rows = rows_that_see(tile, block, {page * tile.page_tokens, (page + 1) * tile.page_tokens});
    if constexpr (has_kv_scale(P)) fetch_scales(tile, page);
    for (int row = rows.begin; row < rows.end; row += most) score_up_to<P>(tile, block, row, rows.end - row, page);
  }
  for (int row = 0; row < block.rows; row += most) {
    const int rows = std::min(most, block.rows - row);
    float* const acc = block.acc + row * stride;
    KeyRange ranges[most];
    float unit[most] = {};
    std::memset(acc, 0, static_cast<std::size_t>(rows * stride) * sizeof(float));
    for (int r = 0; r < rows; ++r) {
      ranges[r] = key_range(tile, block, (row + r) / block.group);
      block.state[row + r] = {};
      if (!ranges[r].empty()) unit[r] = weigh_row<P>(tile, block, row + r, ranges[r]);
    }
    for_shared_ranges({ranges, static_cast<std::size_t>(rows)}, step,
                      [&](int r, int count, KeyRange range) { add_values_up_to<P>(tile, block, row + r, count, range); });
    for (int r = 0; r < rows && has_kv_scale(P); ++r) finish_row<P>(acc + r * stride, stride, unit[r]);
  }
}

}  // namespace vernier::cpu::avx2
VERNIER_TARGET_END
#endif
