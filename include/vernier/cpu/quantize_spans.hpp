// Rounding activations to int8 or int16, 32 columns at a time: the only work of an integer GEMM that grows with the activations alone.
// All instruction sets give the same codes. Weights are quantised elsewhere, in quant/quantize.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "vernier/core/macros.hpp"
#include "vernier/core/math.hpp"
#include "vernier/cpu/features.hpp"
#include "vernier/cpu/tile.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vernier::cpu {

/// Columns that are converted at a time; activation groups are multiples of it.
inline constexpr int activation_span = 32;

/// Quantises one span: x holds 32 floats. Writes the codes, four at a time, `width` quads apart; returns their sum.
/// Codes are x / scale rounded to nearest even; callers pass the inverse, and 0 for a span whose codes shall be zero.
using EncodeSpan = std::int32_t (*)(const float* x, float inverse, int width, std::int8_t* out);
/// The same in int16, for multiplies in pairs: codes two at a time, `width` pairs apart; no sum.
using EncodePairs = void (*)(const float* x, float inverse, int width, std::int16_t* out);
/// The bits of the largest magnitude of 32 floats; infinity and NaN compare above every number.
using LargestOfSpan = std::int32_t (*)(const float* x);

struct SpanQuantizer {
  LargestOfSpan largest = nullptr;
  EncodeSpan encode = nullptr;
  EncodePairs encode_pairs = nullptr;  // null where no multiply wants them
};

namespace detail {

/// Copies words of four bytes, four codes of int8 or two of 16 bits, to every `width`th place: the column of a token.
template <int Words>
void spread_words(const void* codes, int width, void* out) {
  for (int word = 0; word < Words; ++word)
    std::memcpy(static_cast<char*>(out) + static_cast<std::ptrdiff_t>(word) * width * 4, static_cast<const char*>(codes) + 4 * word, 4);
}

}  // namespace detail

namespace scalar {

inline std::int32_t largest_of_span(const float* x) {
  std::int32_t largest = 0;
  for (int i = 0; i < activation_span; ++i) largest = std::max(largest, static_cast<std::int32_t>(float_bits(x[i]) & 0x7fffffffu));
  return largest;
}

inline std::int32_t encode_span(const float* x, float inverse, int width, std::int8_t* out) {
  std::int8_t codes[activation_span];
  std::int32_t sum = 0;
  for (int i = 0; i < activation_span; ++i) {
    codes[i] = inverse == 0.0f ? std::int8_t{0} : i8::encode(x[i] * inverse).bits;
    sum += codes[i];
  }
  cpu::detail::spread_words<activation_span / 4>(codes, width, out);
  return sum;
}

}  // namespace scalar
}  // namespace vernier::cpu

#if defined(__x86_64__)

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {

inline std::int32_t largest_of_span(const float* x) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  const __m512i low = _mm512_and_si512(_mm512_loadu_si512(x), magnitude), high = _mm512_and_si512(_mm512_loadu_si512(x + 16), magnitude);
  return _mm512_reduce_max_epi32(_mm512_max_epi32(low, high));
}

inline std::int32_t encode_span(const float* x, float inverse, int width, std::int8_t* out) {
  const __m512 factor = _mm512_set1_ps(inverse);
  const __mmask16 keep = inverse == 0.0f ? 0 : 0xffff;  // infinity times zero is not zero
  const __m512i low = _mm512_maskz_cvtps_epi32(keep, _mm512_mul_ps(_mm512_loadu_ps(x), factor));
  const __m512i high = _mm512_maskz_cvtps_epi32(keep, _mm512_mul_ps(_mm512_loadu_ps(x + 16), factor));
  std::int8_t codes[activation_span];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), _mm512_cvtsepi32_epi8(low));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 16), _mm512_cvtsepi32_epi8(high));
  cpu::detail::spread_words<activation_span / 4>(codes, width, out);
  return _mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
}

inline void encode_pairs(const float* x, float inverse, int width, std::int16_t* out) {
  const __m512 factor = _mm512_set1_ps(inverse);
  const __mmask16 keep = inverse == 0.0f ? 0 : 0xffff;
  std::int16_t codes[activation_span];
  for (int i = 0; i < activation_span; i += 16) {
    const __m512i v = _mm512_maskz_cvtps_epi32(keep, _mm512_mul_ps(_mm512_loadu_ps(x + i), factor));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + i), _mm512_cvtepi32_epi16(v));
  }
  cpu::detail::spread_words<activation_span / 2>(codes, width, out);
}

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END

VERNIER_TARGET_AVX2
namespace vernier::cpu::avx2 {

/// Eight lanes to two: the larger, or the sum, of each lane and the one across.
inline __m128i halves(__m256i v, bool add) {
  const __m128i low = _mm256_castsi256_si128(v), high = _mm256_extracti128_si256(v, 1);
  const __m128i four = add ? _mm_add_epi32(low, high) : _mm_max_epi32(low, high);
  const __m128i swapped = _mm_shuffle_epi32(four, 0x4e);
  return add ? _mm_add_epi32(four, swapped) : _mm_max_epi32(four, swapped);
}

inline std::int32_t largest_of_span(const float* x) {
  __m256i largest = _mm256_setzero_si256();
  for (int i = 0; i < activation_span; i += 8) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    largest = _mm256_max_epi32(largest, _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)));
  }
  const __m128i two = halves(largest, false);
  return std::max(_mm_cvtsi128_si32(two), _mm_extract_epi32(two, 1));
}

inline std::int32_t encode_span(const float* x, float inverse, int width, std::int8_t* out) {
  const __m256 factor = _mm256_set1_ps(inverse);
  const __m256i keep = _mm256_set1_epi32(inverse == 0.0f ? 0 : -1);
  __m256i v[4], sum = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_and_si256(keep, _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), factor)));
    sum = _mm256_add_epi32(sum, v[i]);
  }
  // Packing works within 128-bit halves; the permute puts quads of codes back in order.
  const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
  const __m256i ordered = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  std::int8_t codes[activation_span];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), ordered);
  cpu::detail::spread_words<activation_span / 4>(codes, width, out);
  const __m128i two = halves(sum, true);
  return _mm_cvtsi128_si32(two) + _mm_extract_epi32(two, 1);
}

}  // namespace vernier::cpu::avx2
VERNIER_TARGET_END

#endif

namespace vernier::cpu {

/// The quantiser for an instruction set.
inline SpanQuantizer span_quantizer(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx512) return {avx512::largest_of_span, avx512::encode_span, avx512::encode_pairs};
  if (isa == Isa::avx2) return {avx2::largest_of_span, avx2::encode_span, nullptr};
#endif
  static_cast<void>(isa);
  return {scalar::largest_of_span, scalar::encode_span, nullptr};
}

}  // namespace vernier::cpu
