// The inner loops of quantize.hpp and repack.hpp: codes of 32 values that share a scale, the absmax that the scale comes from, and lanes
// turned around. The plain ones define the codes; all instruction sets give the same.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "vernier/core/macros.hpp"
#include "vernier/core/math.hpp"
#include "vernier/cpu/features.hpp"
#include "vernier/layout/weight_format.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier::detail {

/// Codes are made this many at a time: a fixed count, so that the loop becomes straight vector code; groups are multiples of it.
inline constexpr int encode_width = group_granularity;

/// The codes of encode_width values of format P after they were multiplied by `factor` and divided by `divisor`, of which one is 1.
template <Precision P>
[[gnu::always_inline]] inline void encode_chunk(const float* x, float factor, float divisor, CodeOf<P>* out) {
  for (int i = 0; i < encode_width; ++i) out[i] = static_cast<CodeOf<P>>(TypeOf<P>::encode(x[i] * factor / divisor).bits);
}

/// The bits of the largest magnitude in x[0, count). As integers magnitudes compare like the numbers, and NaN lies above infinity.
[[gnu::always_inline]] inline std::uint32_t absmax_bits(const float* x, int count) {
  std::int32_t most = 0;
  for (int i = 0; i < count; ++i) most = std::max(most, static_cast<std::int32_t>(float_bits(x[i]) & 0x7fffffffu));
  return static_cast<std::uint32_t>(most);
}

/// The loops for one instruction set.
template <Precision P>
struct Encoder {
  void (*encode)(const float* x, float factor, float divisor, CodeOf<P>* out) = encode_chunk<P>;
  std::uint32_t (*absmax)(const float* x, int count) = absmax_bits;
};

/// Those for `isa`, which the machine must have.
template <Precision P>
Encoder<P> encoder(cpu::Isa isa);

/// Borders of nf4, four times: from border 0, 1, 3 and 7 on, as the steps of a search by halves look them up; infinity behind the last.
inline constexpr auto nf4_search = [] {
  std::array<float, 64> table{};
  constexpr int starts[] = {0, 1, 3, 7};
  for (int step = 0; step < 4; ++step)
    for (int i = 0; i < 16; ++i)
      table[static_cast<std::size_t>(16 * step + i)] =
          starts[step] + i < 15 ? nf4::borders[static_cast<std::size_t>(starts[step] + i)] : std::numeric_limits<float>::infinity();
  return table;
}();

}  // namespace vernier::detail

#if defined(__x86_64__)
#include <immintrin.h>

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {

/// Sixteen codes: four times the borders that are left are halved.
inline __m128i encode_nf4(__m512 x) {
  const float* table = vernier::detail::nf4_search.data();
  __m512i code = _mm512_maskz_set1_epi32(_mm512_cmp_ps_mask(x, _mm512_set1_ps(table[48]), _CMP_GT_OQ), 8);
  for (int step = 2; step >= 0; --step) {
    const __m512 border = _mm512_permutexvar_ps(code, _mm512_loadu_ps(table + 16 * step));
    code = _mm512_mask_add_epi32(code, _mm512_cmp_ps_mask(x, border, _CMP_GT_OQ), code, _mm512_set1_epi32(1 << step));
  }
  return _mm512_cvtepi32_epi8(code);
}

/// See vernier::detail::encode_chunk().
template <Precision P>
void encode_chunk(const float* x, float factor, float divisor, CodeOf<P>* out) {
  if constexpr (P == Precision::e4m3 || P == Precision::e5m2 || P == Precision::bf16) {
    vernier::detail::encode_chunk<P>(x, factor, divisor, out);
  } else {
    for (int i = 0; i < vernier::detail::encode_width; i += 16) {
      __m512 v = _mm512_loadu_ps(x + i);
      if (P == Precision::nf4) v = _mm512_mul_ps(v, _mm512_set1_ps(factor));
      if (P != Precision::f16 && divisor != 1.0f) v = _mm512_div_ps(v, _mm512_set1_ps(divisor));
      if constexpr (P == Precision::f16)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
      else if constexpr (P == Precision::nf4)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), encode_nf4(v));
      else
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                         _mm512_cvtsepi32_epi8(_mm512_max_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(-127))));
    }
  }
}

inline std::uint32_t absmax_bits(const float* x, int count) {
  __m512i most = _mm512_setzero_si512();
  int i = 0;
  for (; i + 16 <= count; i += 16)
    most = _mm512_max_epi32(most, _mm512_and_si512(_mm512_loadu_si512(x + i), _mm512_set1_epi32(0x7fffffff)));
  return std::max(static_cast<std::uint32_t>(_mm512_reduce_max_epi32(most)), vernier::detail::absmax_bits(x + i, count - i));
}

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END

VERNIER_TARGET_AVX2
namespace vernier::cpu::avx2 {

/// Eight codes as numbers of 32 bits: the borders below x are counted.
inline __m256i encode_nf4(__m256 x) {
  __m256i code = _mm256_setzero_si256();
  for (const float border : nf4::borders)
    code = _mm256_sub_epi32(code, _mm256_castps_si256(_mm256_cmp_ps(x, _mm256_set1_ps(border), _CMP_GT_OQ)));
  return code;
}

/// See vernier::detail::encode_chunk().
template <Precision P>
void encode_chunk(const float* x, float factor, float divisor, CodeOf<P>* out) {
  static_assert(vernier::detail::encode_width == 32, "vernier: four vectors of eight values are packed to 32 bytes");
  if constexpr (P == Precision::e4m3 || P == Precision::e5m2 || P == Precision::bf16) {
    vernier::detail::encode_chunk<P>(x, factor, divisor, out);
  } else if constexpr (P == Precision::f16) {
    for (int i = 0; i < 32; i += 8)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  } else {
    __m256i codes[4];
    for (int i = 0; i < 4; ++i) {
      const __m256 v = _mm256_div_ps(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), _mm256_set1_ps(factor)), _mm256_set1_ps(divisor));
      if constexpr (P == Precision::nf4)
        codes[i] = encode_nf4(v);
      else
        codes[i] = _mm256_max_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(-127));
    }
    // Packing works within 128-bit halves; the permute puts quads of codes back in order.
    const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(codes[0], codes[1]), _mm256_packs_epi32(codes[2], codes[3]));
    const __m256i ordered = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), ordered);
  }
}

inline std::uint32_t absmax_bits(const float* x, int count) { return vernier::detail::absmax_bits(x, count); }

}  // namespace vernier::cpu::avx2
VERNIER_TARGET_END

namespace vernier::detail {

template <Precision P>
Encoder<P> encoder(cpu::Isa isa) {
  if (isa == cpu::Isa::avx512) return {cpu::avx512::encode_chunk<P>, cpu::avx512::absmax_bits};
  if (isa == cpu::Isa::avx2) return {cpu::avx2::encode_chunk<P>, cpu::avx2::absmax_bits};
  return {};
}

/// Eight rows of eight lanes of 16 bits, `from_stride` and `to_stride` bytes apart, turned around.
inline void turn_lanes(const std::uint8_t* from, int from_stride, std::uint8_t* to, int to_stride, std::uint16_t) {
  const auto load = [&](int row) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + row * from_stride)); };
  const auto store = [&](int row, __m128i v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to + row * to_stride), v); };
  __m128i pairs[8];  // lanes of rows i and i + 4 side by side, low and high columns
  for (int i = 0; i < 4; ++i) {
    const __m128i upper = load(i), lower = load(i + 4);
    pairs[2 * i] = _mm_unpacklo_epi16(upper, lower);
    pairs[2 * i + 1] = _mm_unpackhi_epi16(upper, lower);
  }
  for (int half = 0; half < 2; ++half) {  // columns 0 to 3, then 4 to 7
    const __m128i even_low = _mm_unpacklo_epi16(pairs[half], pairs[4 + half]), even_high = _mm_unpackhi_epi16(pairs[half], pairs[4 + half]);
    const __m128i odd_low = _mm_unpacklo_epi16(pairs[2 + half], pairs[6 + half]),
                  odd_high = _mm_unpackhi_epi16(pairs[2 + half], pairs[6 + half]);
    store(4 * half, _mm_unpacklo_epi16(even_low, odd_low));
    store(4 * half + 1, _mm_unpackhi_epi16(even_low, odd_low));
    store(4 * half + 2, _mm_unpacklo_epi16(even_high, odd_high));
    store(4 * half + 3, _mm_unpackhi_epi16(even_high, odd_high));
  }
}

/// Four rows of four lanes of 32 bits.
inline void turn_lanes(const std::uint8_t* from, int from_stride, std::uint8_t* to, int to_stride, std::uint32_t) {
  const auto load = [&](int row) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + row * from_stride)); };
  const auto store = [&](int row, __m128i v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to + row * to_stride), v); };
  const __m128i low_a = _mm_unpacklo_epi32(load(0), load(1)), low_b = _mm_unpacklo_epi32(load(2), load(3));
  const __m128i high_a = _mm_unpackhi_epi32(load(0), load(1)), high_b = _mm_unpackhi_epi32(load(2), load(3));
  store(0, _mm_unpacklo_epi64(low_a, low_b));
  store(1, _mm_unpackhi_epi64(low_a, low_b));
  store(2, _mm_unpacklo_epi64(high_a, high_b));
  store(3, _mm_unpackhi_epi64(high_a, high_b));
}

}  // namespace vernier::detail

#else

namespace vernier::detail {

template <Precision P>
Encoder<P> encoder(cpu::Isa) {
  return {};
}

template <class Lane>
void turn_lanes(const std::uint8_t* from, int from_stride, std::uint8_t* to, int to_stride, Lane) {
  constexpr int side = 16 / sizeof(Lane);
  for (int row = 0; row < side; ++row)
    for (int col = 0; col < side; ++col)
      std::memcpy(to + col * to_stride + row * int{sizeof(Lane)}, from + row * from_stride + col * int{sizeof(Lane)}, sizeof(Lane));
}

}  // namespace vernier::detail

#endif
