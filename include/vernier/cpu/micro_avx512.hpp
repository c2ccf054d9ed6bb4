// AVX-512 micro-kernels in float (F, BW, VL, DQ, VNNI). A panel of 32 rows is two vectors of sums per
// token, which stay in registers from the first column to the last. Weights are decoded in registers, once per tile.
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

/// A list of compile-time indices. Loops over registers are written as folds over one, because g++ keeps an array of vectors in registers
/// only when every index is a constant from the start; generic lambdas would do it too, at many times the compile time.
template <int... I>
using Indices = std::integer_sequence<int, I...>;
template <int N>
inline constexpr auto indices = std::make_integer_sequence<int, N>{};

/// One column of a panel: 32 weights before their scale.
struct Column {
  __m512 low, high;  // rows 0 to 15, rows 16 to 31
};

/// 32 halfs, one per row.
[[gnu::always_inline]] inline Column from_f16(__m512i halfs) {
  return {_mm512_cvtph_ps(_mm512_castsi512_si256(halfs)), _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halfs, 1))};
}

/// E4M3 codes in the upper bytes of 16-bit lanes, anything in the lower ones: the same bits as f16 are the value / 256. NaN stays NaN,
/// on a path of its own, because weights hardly ever hold one.
[[gnu::always_inline]] inline Column from_e4m3(__m512i words, bool any_nan) {
  __m512i halfs = _mm512_and_si512(_mm512_srai_epi16(words, 1), _mm512_set1_epi16(static_cast<short>(0xbf80)));
  if (any_nan) [[unlikely]] {
    const __m512i magnitudes = _mm512_and_si512(halfs, _mm512_set1_epi16(0x7fff));
    const __mmask32 nan = _mm512_cmpeq_epi16_mask(magnitudes, _mm512_set1_epi16(0x3f80));
    halfs = _mm512_mask_mov_epi16(halfs, nan, _mm512_set1_epi16(0x7e00));
  }
  return from_f16(halfs);
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
    const bool any_nan =
        _mm512_cmpeq_epi8_mask(_mm512_or_si512(words, _mm512_set1_epi8(static_cast<char>(0x80))), _mm512_set1_epi8(-1)) != 0;
    return from_e4m3(J == 0 ? _mm512_slli_epi16(words, 8) : words, any_nan);
  } else if constexpr (P == Precision::i8) {
    const auto [low, high] = load_lanes(codes);
    constexpr int up = 24 - 8 * J;
    return {_mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(low, up), 24)),
            _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(high, up), 24))};
  } else {
    static_assert(P == Precision::nf4, "vernier::cpu::avx512::decode: no decoder for this precision; add one here");
    const auto [low, high] = load_lanes(codes);
    const __m512 values = _mm512_loadu_ps(nf4::values.data());
    constexpr int shift = J < 4 ? 8 * J : 8 * (J - 4) + 4;  // the permute reads the low 4 bits of a lane
    return {_mm512_permutexvar_ps(_mm512_srli_epi32(low, shift), values), _mm512_permutexvar_ps(_mm512_srli_epi32(high, shift), values)};
  }
}

/// Float sums of Width tokens by 32 rows.
template <int Width>
struct Sums {
  __m512 of[Width][2];

  template <int... T>
  [[gnu::always_inline]] void zero(Indices<T...>) {
    ((of[T][0] = of[T][1] = _mm512_setzero_ps()), ...);
  }

  /// += x(t) * w for every token t.
  template <int... T>
  [[gnu::always_inline]] void add(const Column& w, const float* x, Indices<T...>) {
    ((add_product(of[T], w, _mm512_set1_ps(x[T]))), ...);
  }
  [[gnu::always_inline]] static void add_product(__m512 (&sum)[2], const Column& w, __m512 x) {
    sum[0] = _mm512_fmadd_ps(x, w.low, sum[0]);
    sum[1] = _mm512_fmadd_ps(x, w.high, sum[1]);
  }

  [[gnu::always_inline]] __m512 get(int t, int v) const { return of[t][v]; }
  [[gnu::always_inline]] void set(int t, int v, __m512 value) { of[t][v] = value; }
};

[[gnu::always_inline]] inline void store_row(float* y, bool first, __m512 sum, __m512 scale) {
  _mm512_storeu_ps(y, first ? _mm512_mul_ps(sum, scale) : _mm512_fmadd_ps(sum, scale, _mm512_loadu_ps(y)));
}

/// y(t, :) += sums * (scale * unit) for scale group `group`; the first group overwrites. Without scales: sums * unit.
template <int Width, class S, int... T>
[[gnu::always_inline]] inline void store_sums(const Tile& tile, const S& sums, const float* scales, int group, Indices<T...>) {
  __m512 low = _mm512_set1_ps(tile.unit), high = low;
  if (scales != nullptr) {
    scales += static_cast<std::ptrdiff_t>(group) * 32;
    low = _mm512_mul_ps(low, _mm512_loadu_ps(scales));
    high = _mm512_mul_ps(high, _mm512_loadu_ps(scales + 16));
  }
  (store_row(tile.y + T * 32, group == 0, sums.get(T, 0), low), ...);
  (store_row(tile.y + T * 32 + 16, group == 0, sums.get(T, 1), high), ...);
}

/// Fetches `Bytes` bytes, whole cache lines, from `distance` bytes behind `codes` on. Where that is beyond the last panel nothing happens.
/// Without a distance they are the lines that are read anyway.
template <int Bytes>
[[gnu::always_inline]] inline void fetch_ahead(const std::uint8_t* codes, int distance) {
  for (int line = 0; line < Bytes; line += 64) _mm_prefetch(reinterpret_cast<const char*>(codes + distance + line), _MM_HINT_T0);
}

/// The columns of one step.
template <Precision P, int Width, int... J>
[[gnu::always_inline]] inline void add_step(Sums<Width>& sums, const std::uint8_t* codes, const float* x, Indices<J...>) {
  (sums.add(decode<P, J>(codes), x + J * Width, indices<Width>), ...);
}

/// One tile in float.
template <Precision P, int Width>
inline void float_tile(const Tile& tile) {
  constexpr int pack = CpuPanel::pack(P), step_bytes = 32 * pack * bits(P) / 8;
  const float* x = static_cast<const float*>(tile.x);
  const std::uint8_t* codes = tile.codes;
  for (int begin = 0, group = 0; begin < tile.k; begin += tile.scale_group, ++group) {
    const int end = std::min(tile.k, begin + tile.scale_group);
    Sums<Width> sums;
    sums.zero(indices<Width>);
    for (int k = begin; k < end; k += pack, codes += step_bytes, x += pack * Width) {
      if constexpr (Width == 1) fetch_ahead<step_bytes>(codes, tile.distance);
      add_step<P>(sums, codes, x, indices<pack>);
    }
    store_sums<Width>(tile, sums, tile.scales, group, indices<Width>);
  }
}

/// Four bytes (four int8, or two bf16) in every lane.
[[gnu::always_inline]] inline __m512i broadcast_word(const void* from) {
  std::int32_t word;
  __builtin_memcpy(&word, from, 4);
  return _mm512_set1_epi32(word);
}

template <Precision P, int... J>
[[gnu::always_inline]] inline void decode_step(const std::uint8_t* codes, float* out, Indices<J...>) {
  ((_mm512_storeu_ps(out + J * 32, decode<P, J>(codes).low), _mm512_storeu_ps(out + J * 32 + 16, decode<P, J>(codes).high)), ...);
}

/// The codes of a panel as an f32 panel, [k][32] floats in units of float_unit(P).
template <Precision P>
inline void decode_panel(const Tile& panel, std::uint8_t* bytes) {
  const std::uint8_t* codes = panel.codes;
  float* out = reinterpret_cast<float*>(bytes);
  constexpr int pack = CpuPanel::pack(P), step_bytes = 32 * pack * bits(P) / 8;
  for (int k0 = 0; k0 < panel.k; k0 += pack, codes += step_bytes, out += pack * 32) decode_step<P>(codes, out, indices<pack>);
}

/// What the sums of float_tile<P> must be multiplied by: e4m3 is decoded as an f16 with another bias.
constexpr float float_unit(Precision p) { return p == Precision::e4m3 ? 256.0f : 1.0f; }

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END

#endif
