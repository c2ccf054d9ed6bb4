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

/// Loops over registers are folds over a list of indices; micro_avx512.hpp says why.
template <int... I>
using Indices = std::integer_sequence<int, I...>;
template <int N>
inline constexpr auto indices = std::make_integer_sequence<int, N>{};

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

/// Float sums of Width tokens by 8 * Vectors rows.
template <int Width, int Vectors>
struct Sums {
  __m256 of[Vectors][Width];

  template <int... I>
  [[gnu::always_inline]] void zero(Indices<I...>) {
    ((of[I / Width][I % Width] = _mm256_setzero_ps()), ...);
  }

  /// += x(t) * w for every token t, w being rows 8 * v on.
  template <int... T>
  [[gnu::always_inline]] void add(int v, __m256 w, const float* x, Indices<T...>) {
    ((of[v][T] = _mm256_fmadd_ps(_mm256_broadcast_ss(x + T), w, of[v][T])), ...);
  }

  /// y(t, :) += sums * (scale * unit) for scale group `group`; the first group overwrites.
  template <int... I>
  [[gnu::always_inline]] void store(const Tile& tile, int group, Indices<I...>) const {
    const float* scales = tile.scales != nullptr ? tile.scales + static_cast<std::ptrdiff_t>(group) * 32 : nullptr;
    (store_row(tile.y + (I % Width) * 32 + (I / Width) * 8, group == 0, of[I / Width][I % Width],
               scales != nullptr ? _mm256_mul_ps(_mm256_set1_ps(tile.unit), _mm256_loadu_ps(scales + (I / Width) * 8))
                                 : _mm256_set1_ps(tile.unit)),
     ...);
  }
  [[gnu::always_inline]] static void store_row(float* y, bool first, __m256 sum, __m256 scale) {
    _mm256_storeu_ps(y, first ? _mm256_mul_ps(sum, scale) : _mm256_fmadd_ps(sum, scale, _mm256_loadu_ps(y)));
  }
};

/// Column J of one step.
template <Precision P, int J, int Width>
[[gnu::always_inline]] inline void add_column(Sums<Width, 4>& sums, const std::uint8_t* codes, const float* x) {
  sums.add(0, decode<P, J, 0>(codes), x, indices<Width>);
  sums.add(1, decode<P, J, 1>(codes), x, indices<Width>);
  sums.add(2, decode<P, J, 2>(codes), x, indices<Width>);
  sums.add(3, decode<P, J, 3>(codes), x, indices<Width>);
}
template <Precision P, int Width, int... J>
[[gnu::always_inline]] inline void add_step(Sums<Width, 4>& sums, const std::uint8_t* codes, const float* x, Indices<J...>) {
  (add_column<P, J>(sums, codes, x + J * Width), ...);
}

/// One tile in float.
template <Precision P, int Width>
inline void float_tile(const Tile& tile) {
  constexpr int pack = CpuPanel::pack(P), step_bytes = 32 * pack * bits(P) / 8;
  const float* x = static_cast<const float*>(tile.x);
  const std::uint8_t* codes = tile.codes;
  for (int begin = 0, group = 0; begin < tile.k; begin += tile.scale_group, ++group) {
    const int end = std::min(tile.k, begin + tile.scale_group);
    Sums<Width, 4> sums;
    sums.zero(indices<4 * Width>);
    for (int k = begin; k < end; k += pack, codes += step_bytes, x += pack * Width) add_step<P>(sums, codes, x, indices<pack>);
    sums.store(tile, group, indices<4 * Width>);
  }
}

/// Four columns of eight rows as maddubs wants them: magnitudes as its unsigned operand; the sign goes to the activations.
struct Quads {
  __m256i codes, magnitudes;
};
[[gnu::always_inline]] inline Quads split(__m256i codes) { return {codes, _mm256_abs_epi8(codes)}; }

/// Quad J of the step, eight rows whose lanes start at `lanes`.
template <Precision P, int J>
[[gnu::always_inline]] inline __m256i integers(const std::uint8_t* lanes) {
  const __m256i v = load(lanes);
  if constexpr (P == Precision::i8) {
    return v;
  } else {
    static_assert(P == Precision::nf4, "vernier::cpu::avx2::integers: no integer codes for this precision; add them here");
    const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(nf4_integers.data())));
    const __m256i index = _mm256_and_si256(J == 0 ? v : _mm256_srli_epi16(v, 4), _mm256_set1_epi8(0x0f));
    return _mm256_shuffle_epi8(table, index);
  }
}

/// Integer sums of Width tokens by 16 rows over one activation group.
template <int Width>
struct Dots {
  __m256i of[2][Width];

  template <int... T>
  [[gnu::always_inline]] void zero(Indices<T...>) {
    ((of[0][T] = of[1][T] = _mm256_setzero_si256()), ...);
  }

  /// The products of four columns. Exact: two of at most 128 * 127 fit the 16 bits of maddubs.
  [[gnu::always_inline]] static __m256i dot(const Quads& w, __m256i x) {
    return _mm256_madd_epi16(_mm256_maddubs_epi16(w.magnitudes, _mm256_sign_epi8(x, w.codes)), _mm256_set1_epi16(1));
  }
  [[gnu::always_inline]] static __m256i broadcast(const std::int8_t* x) {
    std::int32_t quad;
    __builtin_memcpy(&quad, x, 4);
    return _mm256_set1_epi32(quad);
  }

  /// += the four products of each of eight rows for every token; x holds four codes of each.
  template <int... T>
  [[gnu::always_inline]] void add(int v, const Quads& w, const std::int8_t* x, Indices<T...>) {
    ((of[v][T] = _mm256_add_epi32(of[v][T], dot(w, broadcast(x + 4 * T)))), ...);
  }

  /// sums(t, 0 to 15) += dots * x_scale, sums being (Width, 32).
  template <int... T>
  [[gnu::always_inline]] void add_to(float* sums, const float* x_scales, Indices<T...>) const {
    ((add_scaled(sums + T * 32, of[0][T], x_scales + T), add_scaled(sums + T * 32 + 8, of[1][T], x_scales + T)), ...);
  }
  [[gnu::always_inline]] static void add_scaled(float* sums, __m256i dot, const float* scale) {
    _mm256_store_ps(sums, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_broadcast_ss(scale), _mm256_load_ps(sums)));
  }
};

/// The columns of one step, four at a time.
template <Precision P, int Width, int... J>
[[gnu::always_inline]] inline void add_step(Dots<Width>& dots, const std::uint8_t* codes, const std::int8_t* x, Indices<J...>) {
  constexpr int lane_bytes = CpuPanel::pack(P) * bits(P) / 8;
  ((dots.add(0, split(integers<P, J>(codes)), x + J * Width * 4, indices<Width>),
    dots.add(1, split(integers<P, J>(codes + 8 * lane_bytes)), x + J * Width * 4, indices<Width>)),
   ...);
}

/// Half the rows of `columns` columns: those whose codes start at `codes`.
template <Precision P, int Width>
[[gnu::always_inline]] inline Dots<Width> half_group(const std::uint8_t* codes, const std::int8_t* x, int columns) {
  constexpr int pack = CpuPanel::pack(P), step_bytes = 32 * pack * bits(P) / 8;
  Dots<Width> dots;
  dots.zero(indices<Width>);
  for (int k = 0; k < columns; k += pack, codes += step_bytes, x += pack * Width) add_step<P>(dots, codes, x, indices<pack / 4>);
  return dots;
}

/// y (+)= sums * (scale * unit) for scale group `group`; the first group overwrites.
template <int Width>
[[gnu::always_inline]] inline void store_sums(const Tile& tile, const float* sums, int group) {
  const float* scales = tile.scales + static_cast<std::ptrdiff_t>(group) * 32;
  for (int row = 0; row < 32; row += 8) {
    const __m256 scale = _mm256_mul_ps(_mm256_set1_ps(tile.unit), _mm256_loadu_ps(scales + row));
    for (int at = row; at < Width * 32; at += 32) Sums<1, 1>::store_row(tile.y + at, group == 0, _mm256_load_ps(sums + at), scale);
  }
}

/// One tile in int8, half the rows of an activation group at a time: the integer sums of 16 rows fit the registers, and both halves of
/// the codes are read while they are in the first-level cache. The float sums wait there too.
template <Precision P, int Group, int Width>
inline void int8_tile(const Tile& tile) {
  constexpr int lane_bytes = CpuPanel::pack(P) * bits(P) / 8;
  const auto* x = static_cast<const std::int8_t*>(tile.x);
  const std::uint8_t* codes = tile.codes;
  const float* x_scales = tile.x_scales;
  alignas(32) float memory[Width * 32];
  float* sums = memory;
  asm("" : "+r"(sums) : : "memory");  // hides where they lie from compilers that would try to keep them in registers
  for (int begin = 0, group = 0; begin < tile.k; begin += tile.scale_group, ++group) {
    const int end = std::min(tile.k, begin + tile.scale_group);
    for (int at = 0; at < Width * 32; at += 8) _mm256_store_ps(sums + at, _mm256_setzero_ps());
    for (int k = begin; k < end; k += Group, x_scales += Width) {
      const int columns = std::min(end - k, Group);
      half_group<P, Width>(codes, x, columns).add_to(sums, x_scales, indices<Width>);
      half_group<P, Width>(codes + 16 * lane_bytes, x, columns).add_to(sums + 16, x_scales, indices<Width>);
      codes += static_cast<std::ptrdiff_t>(columns) * (32 * lane_bytes / CpuPanel::pack(P));
      x += static_cast<std::ptrdiff_t>(columns) * Width;
    }
    store_sums<Width>(tile, sums, group);
  }
}

template <Precision P, int... I>
[[gnu::always_inline]] inline void decode_step(const std::uint8_t* codes, float* out, Indices<I...>) {
  (_mm256_storeu_ps(out + I * 8, decode<P, I / 4, I % 4>(codes)), ...);
}

/// The codes of a panel as an f32 panel, [k][32] floats in units of float_unit(P).
template <Precision P>
inline void decode_panel(const Tile& panel, std::uint8_t* bytes) {
  const std::uint8_t* codes = panel.codes;
  float* out = reinterpret_cast<float*>(bytes);
  constexpr int pack = CpuPanel::pack(P), step_bytes = 32 * pack * bits(P) / 8;
  for (int k0 = 0; k0 < panel.k; k0 += pack, codes += step_bytes, out += pack * 32) decode_step<P>(codes, out, indices<4 * pack>);
}

/// The codes of an nf4 panel as an i8 panel of its values in units of 1/127.
inline void decode_integer_panel(const Tile& panel, std::uint8_t* out) {
  const std::uint8_t* codes = panel.codes;
  for (int k0 = 0; k0 < panel.k; k0 += 8, out += 256)
    for (int v = 0; v < 4; ++v, codes += 32) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 32 * v), integers<Precision::nf4, 0>(codes));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 128 + 32 * v), integers<Precision::nf4, 1>(codes));
    }
}

/// What the sums of float_tile<P> must be multiplied by: e4m3 is decoded as an f16 with another bias.
constexpr float float_unit(Precision p) { return p == Precision::e4m3 ? 256.0f : 1.0f; }

}  // namespace vernier::cpu::avx2
VERNIER_TARGET_END

#endif
