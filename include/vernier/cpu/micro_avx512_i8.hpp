// AVX-512 micro-kernels in int8: exact sums over an activation group by VNNI, scaled and added in float. The integer and the float sums of
// seven tokens by 32 rows fill the registers.
#pragma once

#if defined(__x86_64__)

#include "vernier/cpu/micro_avx512.hpp"

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {

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
    const __m512i low_index = J == 0 ? low : _mm512_srli_epi16(low, 4), high_index = J == 0 ? high : _mm512_srli_epi16(high, 4);
    return {_mm512_shuffle_epi8(table, _mm512_and_si512(low_index, nibble)),
            _mm512_shuffle_epi8(table, _mm512_and_si512(high_index, nibble))};
  }
}

/// dot += the four products of each lane, w unsigned. Assembly, because g++ 12 copies every accumulator that it hands to the intrinsic.
[[gnu::always_inline]] inline void add_quads(__m512i& dot, __m512i w, __m512i x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(dot) : "v"(w), "v"(x));
}

/// Integer sums of Width tokens by 32 rows over one activation group.
template <int Width>
struct Dots {
  __m512i of[Width][2];

  template <int... T>
  [[gnu::always_inline]] void start(const std::int32_t* offsets, Indices<T...>) {
    ((of[T][0] = of[T][1] = _mm512_set1_epi32(offsets[T])), ...);
  }

  template <int... T>
  [[gnu::always_inline]] void zero(Indices<T...>) {
    ((of[T][0] = of[T][1] = _mm512_setzero_si512()), ...);
  }

  /// += the four products of each row for every token; x holds four codes of each.
  template <int... T>
  [[gnu::always_inline]] void add(const Lanes& w, const std::int8_t* x, Indices<T...>) {
    (add_product(of[T], w, broadcast_word(x + 4 * T)), ...);
  }
  [[gnu::always_inline]] static void add_product(__m512i (&dot)[2], const Lanes& w, __m512i x) {
    add_quads(dot[0], w.low, x);
    add_quads(dot[1], w.high, x);
  }

  /// sums += dots * x_scale, for a group inside a scale group of the weights.
  template <class Sums, int... T>
  [[gnu::always_inline]] void add_to(Sums& sums, const float* x_scales, Indices<T...>) const {
    (add_scaled(sums, T, _mm512_cvtepi32_ps(of[T][0]), _mm512_cvtepi32_ps(of[T][1]), _mm512_set1_ps(x_scales[T])), ...);
  }
  template <class Sums>
  [[gnu::always_inline]] static void add_scaled(Sums& sums, int t, __m512 low, __m512 high, __m512 scale) {
    sums.set(t, 0, _mm512_fmadd_ps(low, scale, sums.get(t, 0)));
    sums.set(t, 1, _mm512_fmadd_ps(high, scale, sums.get(t, 1)));
  }

  /// sums += dots * x_scale * w_scale, for a group that is a scale group of the weights too: those of the lower and the upper 16 rows.
  template <class Sums, int... T>
  [[gnu::always_inline]] void add_to(Sums& sums, const float* x_scales, __m512 low, __m512 high, Indices<T...>) const {
    (add_twice_scaled(sums, T, of[T], _mm512_set1_ps(x_scales[T]), low, high), ...);
  }
  template <class Sums>
  [[gnu::always_inline]] static void add_twice_scaled(Sums& sums, int t, const __m512i (&dot)[2], __m512 scale, __m512 low, __m512 high) {
    sums.set(t, 0, _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dot[0]), scale), low, sums.get(t, 0)));
    sums.set(t, 1, _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dot[1]), scale), high, sums.get(t, 1)));
  }
};

/// Float sums of a tile of more tokens than have room in registers beside their integer sums. Those of the first `held` tokens do; the
/// others are needed once per activation group only, and wait in the first-level cache.
template <int Width>
struct SpilledSums {
  static constexpr int held = 5;

  Sums<held> registers;
  float* memory;  // [Width - held][32]

  /// Hides from the compiler where `rest` lies: it would try to keep it in registers after all.
  [[gnu::always_inline]] explicit SpilledSums(float* rest) : memory(rest) { asm("" : "+r"(memory) : : "memory"); }
  template <int... T>
  [[gnu::always_inline]] void zero(Indices<T...>) {
    ((set(T, 0, _mm512_setzero_ps()), set(T, 1, _mm512_setzero_ps())), ...);
  }
  [[gnu::always_inline]] __m512 get(int t, int v) const {
    return t < held ? registers.get(t, v) : _mm512_load_ps(memory + (t - held) * 32 + v * 16);
  }
  [[gnu::always_inline]] void set(int t, int v, __m512 value) {
    if (t < held)
      registers.set(t, v, value);
    else
      _mm512_store_ps(memory + (t - held) * 32 + v * 16, value);
  }
};

/// The columns of one step, four at a time.
template <Precision P, int Width, int... J>
[[gnu::always_inline]] inline void add_step(Dots<Width>& dots, const std::uint8_t* codes, const std::int8_t* x, Indices<J...>) {
  (dots.add(offset_codes<P, J>(codes), x + J * Width * 4, indices<Width>), ...);
}

/// What is left to read of an int8 tile.
template <Precision P, int Width>
struct Int8Stream {
  static constexpr int pack = CpuPanel::pack(P), step_bytes = 32 * pack * bits(P) / 8;

  const std::uint8_t* codes;
  const std::int8_t* x;
  const float* x_scales;
  const std::int32_t* offsets;
  const std::uint8_t* ahead;
  int ahead_lines, distance;

  /// The sums of the next activation group, of `columns` columns; leaves x_scales at the group, for add_to().
  [[gnu::always_inline]] Dots<Width> group(int columns) {
    Dots<Width> dots;
    dots.start(offsets, indices<Width>);
    if constexpr (Width > 1)
      for (int line = 0; line < ahead_lines; ++line, ahead += 64) _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
    constexpr int unrolled = 16 / pack;
    int k = 0;
    for (; k + 16 <= columns; k += 16) steps(dots, indices<unrolled>);
    for (; k < columns; k += pack) steps(dots, indices<1>);
    offsets += Width;
    return dots;
  }

 private:
  template <int... I>
  [[gnu::always_inline]] void steps(Dots<Width>& dots, Indices<I...>) {
    if constexpr (Width == 1) fetch_ahead<static_cast<int>(sizeof...(I)) * step_bytes>(codes, distance);
    (add_step<P>(dots, codes + I * step_bytes, x + I * pack * Width, indices<pack / 4>), ...);
    codes += static_cast<int>(sizeof...(I)) * step_bytes;
    x += static_cast<int>(sizeof...(I)) * pack * Width;
  }
};

/// The groups of one tile, into sums in registers or in the cache.
template <Precision P, int Width, class Sums>
[[gnu::always_inline]] inline void int8_groups(const Tile& tile, Sums& sums) {
  constexpr int group = activation_group(P);
  Int8Stream<P, Width> stream{
      tile.codes, static_cast<const std::int8_t*>(tile.x), tile.x_scales, tile.x_offsets, tile.ahead, tile.ahead_lines, tile.distance};
  if (P == Precision::nf4 || tile.scale_group == group) {
    sums.zero(indices<Width>);
    const float* scales = tile.scales;
    for (int k = 0; k < tile.k; k += group, stream.x_scales += Width, scales += 32)
      stream.group(std::min(tile.k - k, group))
          .add_to(sums, stream.x_scales, _mm512_loadu_ps(scales), _mm512_loadu_ps(scales + 16), indices<Width>);
    store_sums<Width>(tile, sums, nullptr, 0, indices<Width>);
  } else {
    for (int begin = 0, index = 0; begin < tile.k; begin += tile.scale_group, ++index) {
      const int end = std::min(tile.k, begin + tile.scale_group);
      sums.zero(indices<Width>);
      for (int k = begin; k < end; k += group, stream.x_scales += Width)
        stream.group(std::min(end - k, group)).add_to(sums, stream.x_scales, indices<Width>);
      store_sums<Width>(tile, sums, tile.scales, index, indices<Width>);
    }
  }
}

/// One tile in int8. Weights enter vpdpbusd unsigned, as code + 128; what that adds is in the offsets from which the sums start.
template <Precision P, int Width>
inline void int8_tile(const Tile& tile) {
  if constexpr (Width <= 7) {
    Sums<Width> sums;
    int8_groups<P, Width>(tile, sums);
  } else {
    alignas(64) float memory[(Width - SpilledSums<Width>::held) * 32];
    SpilledSums<Width> sums(memory);
    int8_groups<P, Width>(tile, sums);
  }
}

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END

#endif
