// AVX-512 micro-kernels (F, BW, VL, DQ, VNNI; the bf16 one also BF16). A panel of 32 rows is two vectors of sums per token, which stay in
// registers from the first column to the last. Weights are decoded in registers, once per tile.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "vernier/core/macros.hpp"
#include "vernier/cpu/tile.hpp"

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {

/// f(integral_constant<int, 0>) to f(integral_constant<int, N - 1>), unrolled in the source, so that arrays of vectors become registers.
template <int N, class F>
[[gnu::always_inline]] inline void unrolled(F&& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) { (f(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, N>{});
}

/// One column of a panel: 32 weights before their scale.
struct Column {
  __m512 low, high;  // rows 0 to 15, rows 16 to 31
};

/// 32 halfs, one per row.
[[gnu::always_inline]] inline Column from_f16(__m512i halfs) {
  return {_mm512_cvtph_ps(_mm512_castsi512_si256(halfs)), _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halfs, 1))};
}

/// E4M3 codes in the upper bytes of 16-bit lanes, anything in the lower ones: the same bits as f16 are the value / 256; NaN stays NaN.
[[gnu::always_inline]] inline Column from_e4m3(__m512i words) {
  const __m512i halfs = _mm512_and_si512(_mm512_srai_epi16(words, 1), _mm512_set1_epi16(static_cast<short>(0xbf80)));
  const __mmask32 nan = _mm512_cmpeq_epi16_mask(_mm512_or_si512(halfs, _mm512_set1_epi16(static_cast<short>(0x8000))),
                                                _mm512_set1_epi16(static_cast<short>(0xbf80)));
  return from_f16(_mm512_mask_mov_epi16(halfs, nan, _mm512_set1_epi16(0x7e00)));
}

/// Two vectors of 16 rows, 4 bytes per row, as a step of i8 or nf4 holds them.
struct Lanes {
  __m512i low, high;
};
[[gnu::always_inline]] inline Lanes load_lanes(const std::uint8_t* codes) {
  return {_mm512_loadu_si512(codes), _mm512_loadu_si512(codes + 64)};
}

/// Column J of the step at `codes`, in units of float_unit(P).
template <Precision P, int J>
[[gnu::always_inline]] inline Column decode(const std::uint8_t* codes) {
  if constexpr (P == Precision::f32) {
    return {_mm512_loadu_ps(codes), _mm512_loadu_ps(codes + 64)};
  } else if constexpr (P == Precision::f16) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes))),
            _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + 32)))};
  } else if constexpr (P == Precision::bf16) {
    const auto [low, high] = load_lanes(codes);
    if constexpr (J == 0) return {_mm512_castsi512_ps(_mm512_slli_epi32(low, 16)), _mm512_castsi512_ps(_mm512_slli_epi32(high, 16))};
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
    return {_mm512_castsi512_ps(_mm512_and_si512(low, upper)), _mm512_castsi512_ps(_mm512_and_si512(high, upper))};
  } else if constexpr (P == Precision::e5m2) {  // the upper byte of an f16
    const __m512i words = _mm512_loadu_si512(codes);
    if constexpr (J == 0) return from_f16(_mm512_slli_epi16(words, 8));
    return from_f16(_mm512_and_si512(words, _mm512_set1_epi16(static_cast<short>(0xff00))));
  } else if constexpr (P == Precision::e4m3) {
    const __m512i words = _mm512_loadu_si512(codes);
    return from_e4m3(J == 0 ? _mm512_slli_epi16(words, 8) : words);
  } else if constexpr (P == Precision::i8) {
    const auto [low, high] = load_lanes(codes);
    const auto byte = [&](__m512i v) __attribute__((always_inline)) { return _mm512_srai_epi32(_mm512_slli_epi32(v, 24 - 8 * J), 24); };
    return {_mm512_cvtepi32_ps(byte(low)), _mm512_cvtepi32_ps(byte(high))};
  } else {
    static_assert(P == Precision::nf4, "vernier::cpu::avx512::decode: no decoder for this precision; add one here");
    const auto [low, high] = load_lanes(codes);
    const __m512 values = _mm512_loadu_ps(nf4::values.data());
    constexpr int shift = J < 4 ? 8 * J : 8 * (J - 4) + 4;  // the permute reads the low 4 bits of a lane
    return {_mm512_permutexvar_ps(_mm512_srli_epi32(low, shift), values), _mm512_permutexvar_ps(_mm512_srli_epi32(high, shift), values)};
  }
}

/// y(t, :) of all tokens += sums * (scale * unit) for scale group `group`; the first group overwrites.
template <int Width>
[[gnu::always_inline]] inline void add_group(const Tile& tile, int group, const __m512 (&sums)[Width][2]) {
  const float* scales = tile.scales + static_cast<std::ptrdiff_t>(group) * 32;
  unrolled<2>([&](auto half) __attribute__((always_inline)) {
    __m512 scale = _mm512_set1_ps(tile.unit);
    if (tile.scales != nullptr) scale = _mm512_mul_ps(scale, _mm512_loadu_ps(scales + half * 16));
    unrolled<Width>([&](auto t) __attribute__((always_inline)) {
      float* y = tile.y + t * 32 + half * 16;
      _mm512_storeu_ps(y, group == 0 ? _mm512_mul_ps(sums[t][half], scale) : _mm512_fmadd_ps(sums[t][half], scale, _mm512_loadu_ps(y)));
    });
  });
}

/// One tile in float.
template <Precision P, int Width>
inline void float_tile(const Tile& tile) {
  constexpr int pack = CpuPanel::pack(P), step_bytes = 32 * pack * bits(P) / 8;
  const float* x = static_cast<const float*>(tile.x);
  const std::uint8_t* codes = tile.codes;
  for (int begin = 0, group = 0; begin < tile.k; begin += tile.scale_group, ++group) {
    const int end = std::min(tile.k, begin + tile.scale_group);
    __m512 sums[Width][2];
    unrolled<Width>([&](auto t) __attribute__((always_inline)) { sums[t][0] = sums[t][1] = _mm512_setzero_ps(); });
    for (int k = begin; k < end; k += pack, codes += step_bytes, x += pack * Width) {
      unrolled<pack>([&](auto j) __attribute__((always_inline)) {
        const Column w = decode<P, j>(codes);
        unrolled<Width>([&](auto t) __attribute__((always_inline)) {
          const __m512 value = _mm512_set1_ps(x[j * Width + t]);
          sums[t][0] = _mm512_fmadd_ps(value, w.low, sums[t][0]);
          sums[t][1] = _mm512_fmadd_ps(value, w.high, sums[t][1]);
        });
      });
    }
    add_group(tile, group, sums);
  }
}

/// Four columns of 32 rows as unsigned bytes, code + 128: quad J of the step at `codes`.
template <Precision P, int J>
[[gnu::always_inline]] inline Lanes offset_codes(const std::uint8_t* codes) {
  const auto [low, high] = load_lanes(codes);
  if constexpr (P == Precision::i8) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
    return {_mm512_xor_si512(low, flip), _mm512_xor_si512(high, flip)};
  } else {
    static_assert(P == Precision::nf4, "vernier::cpu::avx512::offset_codes: no integer codes for this precision; add them here");
    const __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(nf4_offset_integers.data())));
    const __m512i nibble = _mm512_set1_epi8(0x0f);
    const auto pick = [&](__m512i v) __attribute__((always_inline)) {
      return _mm512_shuffle_epi8(table, _mm512_and_si512(J == 0 ? v : _mm512_srli_epi16(v, 4), nibble));
    };
    return {pick(low), pick(high)};
  }
}

/// One tile in int8. Weights enter vpdpbusd unsigned, as code + 128; what that adds is in the offsets from which the sums start.
template <Precision P, int Width>
inline void int8_tile(const Tile& tile) {
  constexpr int pack = CpuPanel::pack(P), step_bytes = 32 * pack * bits(P) / 8;
  const auto* x = static_cast<const std::int8_t*>(tile.x);
  const std::uint8_t* codes = tile.codes;
  const float* x_scales = tile.x_scales;
  const std::int32_t* offsets = tile.x_offsets;
  for (int begin = 0, group = 0; begin < tile.k; begin += tile.scale_group, ++group) {
    const int end = std::min(tile.k, begin + tile.scale_group);
    __m512 sums[Width][2];
    unrolled<Width>([&](auto t) __attribute__((always_inline)) { sums[t][0] = sums[t][1] = _mm512_setzero_ps(); });
    for (int k0 = begin; k0 < end; k0 += activation_group, x_scales += Width, offsets += Width) {
      __m512i dots[Width][2];
      unrolled<Width>([&](auto t) __attribute__((always_inline)) { dots[t][0] = dots[t][1] = _mm512_set1_epi32(offsets[t]); });
      for (int k = k0; k < std::min(end, k0 + activation_group); k += pack, codes += step_bytes, x += pack * Width) {
        unrolled<pack / 4>([&](auto j) __attribute__((always_inline)) {
          const Lanes w = offset_codes<P, j>(codes);
          unrolled<Width>([&](auto t) __attribute__((always_inline)) {
            std::int32_t quad;
            __builtin_memcpy(&quad, x + (j * Width + t) * 4, 4);
            const __m512i value = _mm512_set1_epi32(quad);
            dots[t][0] = _mm512_dpbusd_epi32(dots[t][0], w.low, value);
            dots[t][1] = _mm512_dpbusd_epi32(dots[t][1], w.high, value);
          });
        });
      }
      unrolled<Width>([&](auto t) __attribute__((always_inline)) {
        const __m512 scale = _mm512_set1_ps(x_scales[t]);
        sums[t][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][0]), scale, sums[t][0]);
        sums[t][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][1]), scale, sums[t][1]);
      });
    }
    add_group(tile, group, sums);
  }
}

/// One tile of bf16 weights and activations, two columns at a time. vdpbf16ps rounds and flushes subnormals in its own way.
template <int Width>
inline void bf16_tile(const Tile& tile) {
  const std::uint8_t* codes = tile.codes;
  const auto* x = static_cast<const std::uint8_t*>(tile.x);
  __m512 sums[Width][2];
  unrolled<Width>([&](auto t) __attribute__((always_inline)) { sums[t][0] = sums[t][1] = _mm512_setzero_ps(); });
  for (int k = 0; k < tile.k; k += 2, codes += 128, x += 4 * Width) {
    const auto [low, high] = load_lanes(codes);
    const __m512bh w_low = (__m512bh)low, w_high = (__m512bh)high;
    unrolled<Width>([&](auto t) __attribute__((always_inline)) {
      std::int32_t pair;
      __builtin_memcpy(&pair, x + t * 4, 4);
      const __m512bh value = (__m512bh)_mm512_set1_epi32(pair);
      sums[t][0] = _mm512_dpbf16_ps(sums[t][0], w_low, value);
      sums[t][1] = _mm512_dpbf16_ps(sums[t][1], w_high, value);
    });
  }
  add_group(tile, 0, sums);
}

/// The first `k` columns of a panel as an f32 panel, [k][32] floats in units of float_unit(P).
template <Precision P>
inline void decode_panel(const std::uint8_t* codes, int k, float* out) {
  constexpr int pack = CpuPanel::pack(P), step_bytes = 32 * pack * bits(P) / 8;
  for (int k0 = 0; k0 < k; k0 += pack, codes += step_bytes, out += pack * 32)
    unrolled<pack>([&](auto j) __attribute__((always_inline)) {
      const Column w = decode<P, j>(codes);
      _mm512_storeu_ps(out + j * 32, w.low);
      _mm512_storeu_ps(out + j * 32 + 16, w.high);
    });
}

/// What the sums of float_tile<P> must be multiplied by: e4m3 is decoded as an f16 with another bias.
constexpr float float_unit(Precision p) { return p == Precision::e4m3 ? 256.0f : 1.0f; }

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END

#endif
