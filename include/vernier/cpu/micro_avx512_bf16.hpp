// AVX-512 micro-kernels that multiply in bf16 (BF16 and VBMI beside the rest): bf16 weights, and fp8 ones, all of whose values bf16 holds.
#pragma once

#if defined(__x86_64__)

#include <array>

#include "vernier/cpu/micro_avx512.hpp"
#include "vernier/types/type_of.hpp"

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {

/// One byte of the bf16 of each fp8 code without its sign bit: the upper one, or the lower one.
template <Precision P, bool Upper>
inline constexpr std::array<std::uint8_t, 128> bf16_bytes = [] {
  std::array<std::uint8_t, 128> bytes{};
  for (std::size_t code = 0; code < 128; ++code) {
    const std::uint16_t value = bf16::encode(TypeOf<P>{static_cast<std::uint8_t>(code)}.decode()).bits;
    bytes[code] = static_cast<std::uint8_t>(Upper ? value >> 8 : value & 0xff);
  }
  return bytes;
}();

/// table[code mod 128] for 64 codes. Assembly, because only these kernels may assume VBMI.
[[gnu::always_inline]] inline __m512i look_up(const std::array<std::uint8_t, 128>& table, __m512i codes) {
  const __m512i low = _mm512_loadu_si512(table.data()), high = _mm512_loadu_si512(table.data() + 64);
  asm("vpermi2b %2, %1, %0" : "+v"(codes) : "v"(low), "v"(high));
  return codes;
}

/// Two columns of 32 rows as pairs of bf16. Those of bf16 weights are stored so. fp8 codes become two bytes each by look-up, NaN included;
/// unpacking works within 128 bits, so that `low` holds rows 0-3, 8-11, 16-19, 24-27 and `high` the others. restore_rows() mends that.
template <Precision P>
[[gnu::always_inline]] inline Lanes bf16_pairs(const std::uint8_t* codes) {
  if constexpr (P == Precision::bf16) {
    return load_lanes(codes);
  } else {
    const __m512i words = _mm512_loadu_si512(codes), sign = _mm512_set1_epi8(static_cast<char>(0x80));
    const __m512i lower = look_up(bf16_bytes<P, false>, words);
    const __m512i upper = _mm512_ternarylogic_epi32(look_up(bf16_bytes<P, true>, words), words, sign, 0xf8);  // a | (b & c)
    return {_mm512_unpacklo_epi8(lower, upper), _mm512_unpackhi_epi8(lower, upper)};
  }
}

/// Sums of fp8 rows in the order of bf16_pairs() to ascending rows.
[[gnu::always_inline]] inline void restore_rows(__m512 (&sums)[2]) {
  const __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  const __m512 first = sums[0];
  sums[0] = _mm512_permutex2var_ps(first, low, sums[1]);
  sums[1] = _mm512_permutex2var_ps(first, high, sums[1]);
}
template <int Width, int... T>
[[gnu::always_inline]] inline void restore_rows(Sums<Width>& sums, Indices<T...>) {
  (restore_rows(sums.of[T]), ...);
}

/// += two columns of bf16 products for every token. vdpbf16ps rounds and flushes subnormals in its own way.
template <int Width, int... T>
[[gnu::always_inline]] inline void add_bf16(Sums<Width>& sums, const Lanes& w, const std::uint8_t* x, Indices<T...>) {
  ((sums.of[T][0] = _mm512_dpbf16_ps(sums.of[T][0], (__m512bh)w.low, (__m512bh)broadcast_word(x + 4 * T)),
    sums.of[T][1] = _mm512_dpbf16_ps(sums.of[T][1], (__m512bh)w.high, (__m512bh)broadcast_word(x + 4 * T))),
   ...);
}

/// One tile of bf16 activations.
template <Precision P, int Width>
inline void bf16_tile(const Tile& tile) {
  constexpr int step_bytes = 64 * bits(P) / 8;
  const std::uint8_t* codes = tile.codes;
  const auto* x = static_cast<const std::uint8_t*>(tile.x);
  for (int begin = 0, group = 0; begin < tile.k; begin += tile.scale_group, ++group) {
    const int end = std::min(tile.k, begin + tile.scale_group);
    Sums<Width> sums;
    sums.zero(indices<Width>);
    for (int k = begin; k < end; k += 2, codes += step_bytes, x += 4 * Width) {
      if constexpr (Width == 1) fetch_ahead<step_bytes>(codes, tile.distance);
      add_bf16(sums, bf16_pairs<P>(codes), x, indices<Width>);
    }
    if constexpr (P != Precision::bf16) restore_rows(sums, indices<Width>);
    store_sums<Width>(tile, sums, tile.scales, group, indices<Width>);
  }
}

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END

#endif
