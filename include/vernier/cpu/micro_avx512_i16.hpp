// AVX-512 micro-kernels in int16 for f16 and bf16 weights. Weights become 13-bit and activations 14-bit integers beside the largest of
// their group of 64 columns; the sum over a group is exact in int32 (vpdpwssd, twice the products of a float multiply-add), then scaled and
// added in float. A weight is rounded to 2^-12 of the power of two above the largest of its row's group: f16 weights down to a quarter of
// that power and bf16 weights down to a 32nd lose nothing.
#pragma once

#if defined(__x86_64__)

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "vernier/cpu/micro_avx512_i8.hpp"

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {

/// A group of columns of a panel as integers.
struct Int16Group {
  static constexpr int pairs = int16_group / 2;
  alignas(64) float scales[32];   // one per row, a power of two; NaN where a weight of the group is not finite
  std::int16_t codes[pairs][64];  // two columns of 32 rows: [row][2]

  [[gnu::always_inline]] void store(int pair, const Lanes& w) {
    _mm512_store_si512(codes[pair], w.low);
    _mm512_store_si512(codes[pair] + 32, w.high);
  }
};

/// What a code of 1 stands for in 16 rows, and its inverse.
struct Unit {
  __m512 scale, inverse;
};

/// The unit of 16 rows whose largest magnitudes have these exponents. Below 2^-100 it shrinks no further: such weights lose bits instead of
/// overflowing the inverse.
[[gnu::always_inline]] inline Unit unit_of(const std::uint8_t* exponents) {
  const __m512i stored = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(exponents)));
  const __m512i exponent = _mm512_slli_epi32(_mm512_max_epi32(stored, _mm512_set1_epi32(127 - 100)), 23);
  const __m512i scale = _mm512_sub_epi32(exponent, _mm512_set1_epi32(11 << 23));
  const __m512i inverse = _mm512_sub_epi32(_mm512_set1_epi32((2 * 127 + 11) << 23), exponent);
  const __mmask16 finite = _mm512_cmplt_epi32_mask(stored, _mm512_set1_epi32(255));
  const __m512i nan = _mm512_set1_epi32(0x7fc00000);
  return {_mm512_castsi512_ps(_mm512_mask_mov_epi32(nan, finite, scale)), _mm512_castsi512_ps(inverse)};
}

/// The units of all 32 rows over a group.
struct Units {
  Unit low, high;

  [[gnu::always_inline]] explicit Units(const std::uint8_t* exponents) : low(unit_of(exponents)), high(unit_of(exponents + 16)) {}
};

/// x * inverse, rounded to nearest even, in the lower 16 bits of each lane: the sum with 1.5 * 2^23 ends in that integer.
[[gnu::always_inline]] inline __m512i round_to_code(__m512 x, __m512 inverse) {
  return _mm512_castps_si512(_mm512_fmadd_ps(x, inverse, _mm512_set1_ps(12582912.0f)));
}
/// Assembly, because g++ 12 copies the first operand before it has it overwritten.
[[gnu::always_inline]] inline __m512i code_pairs(__m512 even, __m512 odd, __m512 inverse) {
  const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  // Word 2i from word 2i of the first, word 2i + 1 from word 2i of the second, whose words count from 32.
  const __m512i lower_words = _mm512_add_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32(0x20002)), _mm512_set1_epi32(0x200000));
  __m512i codes = round_to_code(even, inverse);
  asm("vpermt2w %2, %1, %0" : "+v"(codes) : "v"(lower_words), "v"(round_to_code(odd, inverse)));
  return codes;
}

/// Column J of two of f16 or bf16 weights at `codes`.
template <Precision P, int J>
[[gnu::always_inline]] inline Column column_of_pair(const std::uint8_t* codes) {
  static_assert(P == Precision::f16 || P == Precision::bf16, "vernier::cpu::avx512: int16 multiplies take f16 and bf16 weights");
  if constexpr (P == Precision::f16)
    return decode<P, 0>(codes + 64 * J);
  else
    return decode<P, J>(codes);
}

/// Two columns as pairs of integers; the second is zero unless `both`.
template <Precision P>
[[gnu::always_inline]] inline Lanes int16_pairs(const std::uint8_t* codes, const Units& units, bool both = true) {
  const Column even = column_of_pair<P, 0>(codes);
  Column odd{_mm512_setzero_ps(), _mm512_setzero_ps()};
  if (both || P == Precision::bf16) odd = column_of_pair<P, 1>(codes);  // a panel of bf16 is padded to whole pairs
  return {code_pairs(even.low, odd.low, units.low.inverse), code_pairs(even.high, odd.high, units.high.inverse)};
}

/// dot += the two products of each lane. Assembly for the reason that add_quads() gives.
[[gnu::always_inline]] inline void add_pairs(__m512i& dot, __m512i w, __m512i x) {
  asm("vpdpwssd %2, %1, %0" : "+v"(dot) : "v"(w), "v"(x));
}
[[gnu::always_inline]] inline void add_pairs(__m512i (&dot)[2], const Lanes& w, __m512i x) {
  add_pairs(dot[0], w.low, x);
  add_pairs(dot[1], w.high, x);
}

/// dots += two columns for every token; x holds a pair of codes of each.
template <int Width, int... T>
[[gnu::always_inline]] inline void add_columns(Dots<Width>& dots, const Lanes& w, const std::int16_t* x, Indices<T...>) {
  (add_pairs(dots.of[T], w, broadcast_word(x + 2 * T)), ...);
}

/// `columns` columns of a panel, at most a group, as integers.
template <Precision P>
[[gnu::always_inline]] inline void decode_group(const std::uint8_t* codes, const std::uint8_t* exponents, int columns, Int16Group& out) {
  const Units units(exponents);
  _mm512_store_ps(out.scales, units.low.scale);
  _mm512_store_ps(out.scales + 16, units.high.scale);
  int pair = 0;
  for (; pair < columns / 2; ++pair, codes += 128) out.store(pair, int16_pairs<P>(codes, units));
  if (columns % 2 != 0) out.store(pair++, int16_pairs<P>(codes, units, false));
  for (; pair < Int16Group::pairs; ++pair) out.store(pair, {_mm512_setzero_si512(), _mm512_setzero_si512()});
}

/// A panel as integers: ceil(k / int16_group) groups at `out`.
template <Precision P>
inline void decode_int16_panel(const Tile& panel, std::uint8_t* out) {
  const std::uint8_t *codes = panel.codes, *exponents = panel.exponents;
  auto* group = reinterpret_cast<Int16Group*>(out);
  for (int left = panel.k; left > 0; left -= int16_group, codes += 64 * int16_group, exponents += 32)
    decode_group<P>(codes, exponents, std::min(left, int16_group), *group++);
}

template <int Width, int... Pair>
[[gnu::always_inline]] inline void add_pairs_of_columns(Dots<Width>& dots, const std::int16_t (*codes)[64], const std::int16_t* x,
                                                        Indices<Pair...>) {
  (add_columns(dots, load_lanes(reinterpret_cast<const std::uint8_t*>(codes[Pair])), x + Pair * Width * 2, indices<Width>), ...);
}

/// sums += one group for every token.
template <int Width, class Sums>
[[gnu::always_inline]] inline void add_group(Sums& sums, const Int16Group& group, const std::int16_t* x, const float* x_scales) {
  constexpr int unrolled = 16;
  Dots<Width> dots;
  dots.zero(indices<Width>);
  for (int pair = 0; pair < Int16Group::pairs; pair += unrolled)
    add_pairs_of_columns(dots, group.codes + pair, x + pair * Width * 2, indices<unrolled>);
  dots.add_to(sums, x_scales, _mm512_load_ps(group.scales), _mm512_load_ps(group.scales + 16), indices<Width>);
}

template <Precision P, int... Pair>
[[gnu::always_inline]] inline void add_converted(Dots<1>& dots, const std::uint8_t* codes, const Units& units, const std::int16_t* x,
                                                 Indices<Pair...>) {
  (add_columns(dots, int16_pairs<P>(codes + 128 * Pair, units), x + 2 * Pair, indices<1>), ...);
}

/// sums += one group of `columns` columns for one token: products straight from the conversion, which nobody shares.
template <Precision P>
[[gnu::always_inline]] inline void add_group(Sums<1>& sums, const Tile& group, int columns) {
  constexpr int unrolled = 4;
  const Units units(group.exponents);
  const std::uint8_t* codes = group.codes;
  const auto* x = static_cast<const std::int16_t*>(group.x);
  Dots<1> dots;
  dots.zero(indices<1>);
  int left = columns / 2;
  for (; left >= unrolled; left -= unrolled, codes += 128 * unrolled, x += 2 * unrolled) {
    fetch_ahead<128 * unrolled>(codes, group.distance);
    add_converted<P>(dots, codes, units, x, indices<unrolled>);
  }
  for (; left > 0; --left, codes += 128, x += 2) add_converted<P>(dots, codes, units, x, indices<1>);
  if (columns % 2 != 0) add_columns(dots, int16_pairs<P>(codes, units, false), x, indices<1>);
  dots.add_to(sums, group.x_scales, units.low.scale, units.high.scale, indices<1>);
}

/// The groups of one tile: from a decoded panel, or from the weights as they are stored, each group through the first-level cache. The same
/// sums, bit by bit.
template <Precision P, int Width, bool Decoded, class Sums>
[[gnu::always_inline]] inline void int16_groups(const Tile& tile, Sums& sums) {
  sums.zero(indices<Width>);
  Tile rest = tile;  // what is left of it, a group at a time
  for (; rest.k > 0; rest.k -= int16_group) {
    const auto* x = static_cast<const std::int16_t*>(rest.x);
    const int columns = std::min(rest.k, int16_group);
    if constexpr (Decoded) {
      add_group<Width>(sums, *reinterpret_cast<const Int16Group*>(rest.codes), x, rest.x_scales);
      rest.codes += sizeof(Int16Group);
    } else {
      if constexpr (Width == 1) {
        add_group<P>(sums, rest, columns);
      } else {
        Int16Group group;
        decode_group<P>(rest.codes, rest.exponents, columns, group);
        add_group<Width>(sums, group, x, rest.x_scales);
      }
      rest.codes += 64 * int16_group;
      rest.exponents += CpuPanel::rows;
    }
    rest.x = x + int16_group * Width;
    rest.x_scales += Width;
  }
  store_sums<Width>(tile, sums, nullptr, 0, indices<Width>);
}

/// One tile in int16. Decoded: from what decode_int16_panel() wrote.
template <Precision P, int Width, bool Decoded>
inline void int16_tile(const Tile& tile) {
  if constexpr (Width <= 7) {
    Sums<Width> sums;
    int16_groups<P, Width, Decoded>(tile, sums);
  } else {
    alignas(64) float memory[(Width - SpilledSums<Width>::held) * 32];
    SpilledSums<Width> sums(memory);
    int16_groups<P, Width, Decoded>(tile, sums);
  }
}

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END

#endif
