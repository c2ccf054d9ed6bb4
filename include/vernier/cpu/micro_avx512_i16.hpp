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
};

/// What a code of 1 stands for in 16 rows, and its inverse.
struct Unit {
  __m512 scale, inverse;
};

/// The unit for rows whose largest magnitudes have these bits. Below 2^-100 it shrinks no further: such weights lose bits instead of
/// overflowing the inverse.
[[gnu::always_inline]] inline Unit unit_of(__m512i largest) {
  const __m512i infinity = _mm512_set1_epi32(0x7f800000), least = _mm512_set1_epi32((127 - 100) << 23);
  const __m512i exponent = _mm512_max_epi32(_mm512_and_si512(largest, infinity), least);
  const __m512i scale = _mm512_sub_epi32(exponent, _mm512_set1_epi32(11 << 23));
  const __m512i inverse = _mm512_sub_epi32(_mm512_set1_epi32((2 * 127 + 11) << 23), exponent);
  const __mmask16 finite = _mm512_cmplt_epi32_mask(largest, infinity);
  const __m512i nan = _mm512_set1_epi32(0x7fc00000);
  return {_mm512_castsi512_ps(_mm512_mask_mov_epi32(nan, finite, scale)), _mm512_castsi512_ps(inverse)};
}

/// The units of all 32 rows over a group.
struct Units {
  Unit low, high;
};

/// The largest magnitudes of some columns of 32 rows.
template <Precision P>
struct Largest {
  static_assert(P == Precision::f16 || P == Precision::bf16, "vernier::cpu::avx512::Largest: int16 multiplies take f16 and bf16 weights");
  Lanes bits;  // f16: of even and odd columns; bf16: two columns to a lane

  [[gnu::always_inline]] Largest() : bits{_mm512_setzero_si512(), _mm512_setzero_si512()} {}

  /// Two columns, or the first alone.
  [[gnu::always_inline]] void add(const std::uint8_t* codes, bool both = true) {
    const __m512i magnitude = _mm512_set1_epi32(0x7fff7fff);
    bits.low = _mm512_max_epu16(bits.low, _mm512_and_si512(_mm512_loadu_si512(codes), magnitude));
    if (both || P == Precision::bf16)  // a panel of bf16 is padded to whole pairs
      bits.high = _mm512_max_epu16(bits.high, _mm512_and_si512(_mm512_loadu_si512(codes + 64), magnitude));
  }
  [[gnu::always_inline]] Units units() const {
    if constexpr (P == Precision::f16) {
      const Column largest = from_f16(_mm512_max_epu16(bits.low, bits.high));
      return {unit_of(_mm512_castps_si512(largest.low)), unit_of(_mm512_castps_si512(largest.high))};
    } else {
      return {unit_of(of_both(bits.low)), unit_of(of_both(bits.high))};
    }
  }

 private:
  [[gnu::always_inline]] static __m512i of_both(__m512i pairs) {
    return _mm512_max_epi32(_mm512_slli_epi32(pairs, 16), _mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
  }
};

/// x * inverse, rounded to nearest even, in the lower 16 bits of each lane: the sum with 1.5 * 2^23 ends in that integer.
[[gnu::always_inline]] inline __m512i round_to_code(__m512 x, __m512 inverse) {
  return _mm512_castps_si512(_mm512_fmadd_ps(x, inverse, _mm512_set1_ps(12582912.0f)));
}
[[gnu::always_inline]] inline __m512i code_pairs(__m512 even, __m512 odd, __m512 inverse) {
  return _mm512_mask_blend_epi16(0xaaaaaaaau, round_to_code(even, inverse), _mm512_slli_epi32(round_to_code(odd, inverse), 16));
}

/// Two columns at `codes` as pairs of integers; the second is zero unless `both`.
template <Precision P>
[[gnu::always_inline]] inline Lanes int16_pairs(const std::uint8_t* codes, const Units& units, bool both = true) {
  if constexpr (P == Precision::f16) {
    const Column even = from_f16(_mm512_loadu_si512(codes));
    const Column odd = from_f16(both ? _mm512_loadu_si512(codes + 64) : _mm512_setzero_si512());
    return {code_pairs(even.low, odd.low, units.low.inverse), code_pairs(even.high, odd.high, units.high.inverse)};
  } else {
    const Column even = decode<P, 0>(codes), odd = decode<P, 1>(codes);
    return {code_pairs(even.low, odd.low, units.low.inverse), code_pairs(even.high, odd.high, units.high.inverse)};
  }
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

/// The units of a group of `columns` columns.
template <Precision P>
[[gnu::always_inline]] inline Units group_units(const std::uint8_t* codes, int columns) {
  Largest<P> largest;
  for (int column = 0; column < columns; column += 2, codes += 128) largest.add(codes, column + 1 < columns);
  return largest.units();
}

/// Calls use(pair, codes) for each pair of columns of a group; the last may be one column and zeros.
template <Precision P, class Use>
[[gnu::always_inline]] inline void for_pairs(const std::uint8_t* codes, int columns, const Units& units, const Use& use) {
  int pair = 0;
  for (; pair < columns / 2; ++pair, codes += 128) {
    // The next group: a group is read twice, and between its last read and the next one's first, memory would stand idle.
    _mm_prefetch(reinterpret_cast<const char*>(codes) + 64 * int16_group, _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(codes) + 64 * int16_group + 64, _MM_HINT_T0);
    use(pair, int16_pairs<P>(codes, units));
  }
  if (columns % 2 != 0) use(pair, int16_pairs<P>(codes, units, false));
}

/// `columns` columns of a panel, at most a group, as integers.
template <Precision P>
[[gnu::always_inline]] inline void decode_group(const std::uint8_t* codes, int columns, Int16Group& out) {
  const Units units = group_units<P>(codes, columns);
  _mm512_store_ps(out.scales, units.low.scale);
  _mm512_store_ps(out.scales + 16, units.high.scale);
  const auto store = [&out](int pair, const Lanes& w) {
    _mm512_store_si512(out.codes[pair], w.low);
    _mm512_store_si512(out.codes[pair] + 32, w.high);
  };
  for_pairs<P>(codes, columns, units, store);
  for (int pair = (columns + 1) / 2; pair < Int16Group::pairs; ++pair) store(pair, {_mm512_setzero_si512(), _mm512_setzero_si512()});
}

/// A panel as integers: ceil(k / int16_group) groups at `out`.
template <Precision P>
inline void decode_int16_panel(const std::uint8_t* codes, int k, std::uint8_t* out) {
  auto* group = reinterpret_cast<Int16Group*>(out);
  for (int left = k; left > 0; left -= int16_group, codes += 64 * int16_group)
    decode_group<P>(codes, std::min(left, int16_group), *group++);
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

/// The groups of one tile: from a decoded panel, or from the weights as they are stored, each group through the first-level cache. The same
/// sums, bit by bit.
template <Precision P, int Width, bool Decoded, class Sums>
[[gnu::always_inline]] inline void int16_groups(const Tile& tile, Sums& sums) {
  const auto* x = static_cast<const std::int16_t*>(tile.x);
  const float* x_scales = tile.x_scales;
  sums.zero(indices<Width>);
  if constexpr (Decoded) {
    const auto* group = reinterpret_cast<const Int16Group*>(tile.codes);
    for (int k = 0; k < tile.k; k += int16_group, x += int16_group * Width, x_scales += Width)
      add_group<Width>(sums, *group++, x, x_scales);
  } else {
    const std::uint8_t* codes = tile.codes;
    for (int left = tile.k; left > 0; left -= int16_group, codes += 64 * int16_group, x += int16_group * Width, x_scales += Width) {
      const int columns = std::min(left, int16_group);
      if constexpr (Width == 1) {  // nothing to share: products straight from the conversion
        const Units units = group_units<P>(codes, columns);
        Dots<1> dots;
        dots.zero(indices<1>);
        for_pairs<P>(codes, columns, units, [&](int pair, const Lanes& w) { add_columns(dots, w, x + 2 * pair, indices<1>); });
        dots.add_to(sums, x_scales, units.low.scale, units.high.scale, indices<1>);
      } else {
        Int16Group group;
        decode_group<P>(codes, columns, group);
        add_group<Width>(sums, group, x, x_scales);
      }
    }
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
