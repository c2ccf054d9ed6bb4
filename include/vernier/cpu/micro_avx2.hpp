// AVX2 micro-kernels (with FMA and F16C). A panel of 32 rows is four vectors of sums per token; sixteen registers hold three tokens, so
// small batches decode weights in registers and larger ones decode a panel once. Same structure as micro_avx512.hpp.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "vernier/core/macros.hpp"
#include "vernier/cpu/tile.hpp"

VERNIER_TARGET_AVX2
namespace vernier::cpu::avx2 {

/// f(integral_constant<int, 0>) to f(integral_constant<int, N - 1>), unrolled in the source, so that arrays of vectors become registers.
template <int N, class F>
[[gnu::always_inline]] inline void unrolled(F&& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) { (f(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, N>{});
}

[[gnu::always_inline]] inline __m256i load(const std::uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
[[gnu::always_inline]] inline __m128i load_half(const std::uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

/// Eight nf4 values: the index is in bits [Shift, Shift + 4) of each lane. A permute takes three bits, the fourth picks the table.
template <int Shift>
[[gnu::always_inline]] inline __m256 nf4_values(__m256i lanes) {
  const __m256i index = _mm256_srli_epi32(lanes, Shift);
  const __m256 below = _mm256_permutevar8x32_ps(_mm256_loadu_ps(nf4::values.data()), index);
  const __m256 above = _mm256_permutevar8x32_ps(_mm256_loadu_ps(nf4::values.data() + 8), index);
  return _mm256_blendv_ps(below, above, _mm256_castsi256_ps(_mm256_slli_epi32(lanes, 28 - Shift)));
}

/// Rows 8 * V to 8 * V + 7 of column J of the step at `codes`, in units of float_unit(P).
template <Precision P, int J, int V>
[[gnu::always_inline]] inline __m256 decode(const std::uint8_t* codes) {
  if constexpr (P == Precision::f32) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(codes) + 8 * V);
  } else if constexpr (P == Precision::f16) {
    return _mm256_cvtph_ps(load_half(codes + 16 * V));
  } else if constexpr (P == Precision::bf16) {
    const __m256i pairs = load(codes + 32 * V);
    if constexpr (J == 0) return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
  } else if constexpr (P == Precision::e5m2) {  // the upper byte of an f16
    const __m128i words = load_half(codes + 16 * V);
    if constexpr (J == 0) return _mm256_cvtph_ps(_mm_slli_epi16(words, 8));
    return _mm256_cvtph_ps(_mm_and_si128(words, _mm_set1_epi16(static_cast<short>(0xff00))));
  } else if constexpr (P == Precision::e4m3) {  // as an f16 of another bias: the value / 256; the code of NaN is set to f16's
    __m128i words = load_half(codes + 16 * V);
    if constexpr (J == 0) words = _mm_slli_epi16(words, 8);
    const __m128i halfs = _mm_and_si128(_mm_srai_epi16(words, 1), _mm_set1_epi16(static_cast<short>(0xbf80)));
    const __m128i nan =
        _mm_cmpeq_epi16(_mm_or_si128(halfs, _mm_set1_epi16(static_cast<short>(0x8000))), _mm_set1_epi16(static_cast<short>(0xbf80)));
    return _mm256_cvtph_ps(_mm_or_si128(halfs, _mm_and_si128(nan, _mm_set1_epi16(0x7e00))));
  } else if constexpr (P == Precision::i8) {
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(load(codes + 32 * V), 24 - 8 * J), 24));
  } else {
    static_assert(P == Precision::nf4, "vernier::cpu::avx2::decode: no decoder for this precision; add one here");
    return nf4_values<(J < 4 ? 8 * J : 8 * (J - 4) + 4)>(load(codes + 32 * V));
  }
}

/// y(t, rows from First on) of all tokens += sums * (scale * unit) for scale group `group`; the first group overwrites.
template <int Width, int First, int Vectors>
[[gnu::always_inline]] inline void add_group(const Tile& tile, int group, const __m256 (&sums)[Width][Vectors]) {
  const float* scales = tile.scales + static_cast<std::ptrdiff_t>(group) * 32;
  unrolled<Vectors>([&](auto v) __attribute__((always_inline)) {
    __m256 scale = _mm256_set1_ps(tile.unit);
    if (tile.scales != nullptr) scale = _mm256_mul_ps(scale, _mm256_loadu_ps(scales + First + v * 8));
    unrolled<Width>([&](auto t) __attribute__((always_inline)) {
      float* y = tile.y + t * 32 + First + v * 8;
      _mm256_storeu_ps(y, group == 0 ? _mm256_mul_ps(sums[t][v], scale) : _mm256_fmadd_ps(sums[t][v], scale, _mm256_loadu_ps(y)));
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
    __m256 sums[Width][4];
    unrolled<Width * 4>([&](auto i) __attribute__((always_inline)) { sums[i / 4][i % 4] = _mm256_setzero_ps(); });
    for (int k = begin; k < end; k += pack, codes += step_bytes, x += pack * Width) {
      unrolled<pack>([&](auto j) __attribute__((always_inline)) {
        unrolled<4>([&](auto v) __attribute__((always_inline)) {
          const __m256 w = decode<P, j, v>(codes);
          unrolled<Width>([&](auto t) __attribute__((always_inline)) {
            sums[t][v] = _mm256_fmadd_ps(_mm256_broadcast_ss(x + j * Width + t), w, sums[t][v]);
          });
        });
      });
    }
    add_group<Width, 0>(tile, group, sums);
  }
}

/// Four columns of eight rows as 16-bit integers: columns 0 and 2 of each row's lane in `even`, 1 and 3 in `odd`.
struct Quads {
  __m256i even, odd;
};
[[gnu::always_inline]] inline Quads split(__m256i bytes) {
  return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
}

/// Quad J of the step, eight rows whose lanes start at `lanes`.
template <Precision P, int J>
[[gnu::always_inline]] inline Quads quads(const std::uint8_t* lanes) {
  const __m256i v = load(lanes);
  if constexpr (P == Precision::i8) {
    return split(v);
  } else {
    static_assert(P == Precision::nf4, "vernier::cpu::avx2::quads: no integer codes for this precision; add them here");
    const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(nf4_integers.data())));
    const __m256i index = _mm256_and_si256(J == 0 ? v : _mm256_srli_epi16(v, 4), _mm256_set1_epi8(0x0f));
    return split(_mm256_shuffle_epi8(table, index));
  }
}

/// Rows First to First + 15 of one tile in int8. maddubs would saturate, so bytes are widened and multiplied as 16-bit pairs: exact.
template <Precision P, int Width, int First>
[[gnu::always_inline]] inline void int8_half(const Tile& tile) {
  constexpr int pack = CpuPanel::pack(P), lane_bytes = pack * bits(P) / 8;
  const auto* x = static_cast<const std::int8_t*>(tile.x);
  const std::uint8_t* codes = tile.codes + First * lane_bytes;
  const float* x_scales = tile.x_scales;
  for (int begin = 0, group = 0; begin < tile.k; begin += tile.scale_group, ++group) {
    const int end = std::min(tile.k, begin + tile.scale_group);
    __m256 sums[Width][2];
    unrolled<Width>([&](auto t) __attribute__((always_inline)) { sums[t][0] = sums[t][1] = _mm256_setzero_ps(); });
    for (int k0 = begin; k0 < end; k0 += activation_group, x_scales += Width) {
      __m256i dots[Width][2];
      unrolled<Width>([&](auto t) __attribute__((always_inline)) { dots[t][0] = dots[t][1] = _mm256_setzero_si256(); });
      for (int k = k0; k < std::min(end, k0 + activation_group); k += pack, codes += 32 * lane_bytes, x += pack * Width) {
        unrolled<pack / 4>([&](auto j) __attribute__((always_inline)) {
          const Quads low = quads<P, j>(codes), high = quads<P, j>(codes + 8 * lane_bytes);
          unrolled<Width>([&](auto t) __attribute__((always_inline)) {
            std::int32_t quad;
            __builtin_memcpy(&quad, x + (j * Width + t) * 4, 4);
            const Quads value = split(_mm256_set1_epi32(quad));
            const auto dot = [&](const Quads& w) __attribute__((always_inline)) {
              return _mm256_add_epi32(_mm256_madd_epi16(w.even, value.even), _mm256_madd_epi16(w.odd, value.odd));
            };
            dots[t][0] = _mm256_add_epi32(dots[t][0], dot(low));
            dots[t][1] = _mm256_add_epi32(dots[t][1], dot(high));
          });
        });
      }
      unrolled<Width>([&](auto t) __attribute__((always_inline)) {
        const __m256 scale = _mm256_broadcast_ss(x_scales + t);
        sums[t][0] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[t][0]), scale, sums[t][0]);
        sums[t][1] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[t][1]), scale, sums[t][1]);
      });
    }
    add_group<Width, First>(tile, group, sums);
  }
}

/// One tile in int8, half a panel at a time: sums in int32 and in float for 32 rows would not fit the registers.
template <Precision P, int Width>
inline void int8_tile(const Tile& tile) {
  int8_half<P, Width, 0>(tile);
  int8_half<P, Width, 16>(tile);
}

/// The first `k` columns of a panel as an f32 panel, [k][32] floats in units of float_unit(P).
template <Precision P>
inline void decode_panel(const std::uint8_t* codes, int k, float* out) {
  constexpr int pack = CpuPanel::pack(P), step_bytes = 32 * pack * bits(P) / 8;
  for (int k0 = 0; k0 < k; k0 += pack, codes += step_bytes, out += pack * 32)
    unrolled<pack>([&](auto j) __attribute__((always_inline)) {
      unrolled<4>([&](auto v) __attribute__((always_inline)) { _mm256_storeu_ps(out + j * 32 + v * 8, decode<P, j, v>(codes)); });
    });
}

/// What the sums of float_tile<P> must be multiplied by: e4m3 is decoded as an f16 with another bias.
constexpr float float_unit(Precision p) { return p == Precision::e4m3 ? 256.0f : 1.0f; }

}  // namespace vernier::cpu::avx2
VERNIER_TARGET_END

#endif
