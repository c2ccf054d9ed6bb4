// See pack_scalar.hpp.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "vernier/core/macros.hpp"
#include "vernier/quant/pack_scalar.hpp"

namespace vernier::detail {

/// How nf4 is looked up: [-1, 1] is cut into 31 cells so narrow that each has at most one border in it. A cell has the code of what lies
/// below that border, and the border (infinity where there is none). Cell c, from -15 to 15, is entry c mod 32.
struct Nf4Cells {
  static constexpr float per_unit = 15.25f;  // cells; less than 15.5, so that 1 rounds to the last of them

  alignas(64) std::array<std::int32_t, 32> codes{};
  alignas(64) std::array<float, 32> borders{};
};

inline constexpr Nf4Cells nf4_cells = [] {
  constexpr float slack = 1e-5f;  // of the rounding by which a value finds its cell; no border lies so near to a cell's end
  Nf4Cells cells;
  for (int cell = -15; cell <= 15; ++cell) {
    const float begin = (static_cast<float>(cell) - 0.5f) / Nf4Cells::per_unit,
                end = (static_cast<float>(cell) + 0.5f) / Nf4Cells::per_unit;
    std::size_t code = 0;
    while (code < nf4::borders.size() && nf4::borders[code] < begin - slack) ++code;
    const bool inside = code < nf4::borders.size() && nf4::borders[code] < end + slack;
    const auto at = static_cast<std::size_t>(cell & 31);
    cells.codes[at] = static_cast<std::int32_t>(code);
    cells.borders[at] = inside ? nf4::borders[code] : std::numeric_limits<float>::infinity();
    if (inside && (nf4::borders[code] < begin + slack || nf4::borders[code] > end - slack)) throw "a border lies at the end of a cell";
    if (code + 1 < nf4::borders.size() && nf4::borders[code + 1] < end + slack) throw "two borders lie in one cell";
  }
  return cells;
}();

}  // namespace vernier::detail

VERNIER_TARGET_AVX512
namespace vernier::cpu::avx512 {

inline __m512 load16(const float* x) { return _mm512_loadu_ps(x); }
inline __m512 load16(const f16* x) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))); }
inline __m512 load16(const bf16* x) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))), 16));
}

/// A block's scale in all lanes, and half of its integers.
inline __m512 scale_of_block(const std::byte* block) {
  std::uint16_t bits;
  std::memcpy(&bits, block, sizeof bits);
  return _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<short>(bits)));
}
inline __m512i integers_of_block(const std::byte* block, int half) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 2 + 16 * half)));
}

/// The 64 values of a row of a tile.
template <class T>
void load64(const T* x, __m512 (&out)[4]) {
  for (int i = 0; i < 4; ++i) out[i] = load16(x + 16 * i);
}
inline void load64(Int8BlockRows::Row x, __m512 (&out)[4]) {
  const std::byte* block = x.blocks();
  for (int i = 0; i < 4; ++i) {
    const std::byte* at = block + i / 2 * Int8BlockRows::block_bytes;
    out[i] = _mm512_mul_ps(scale_of_block(at), _mm512_cvtepi32_ps(integers_of_block(at, i % 2)));
  }
}

struct Pack : vernier::detail::PackScalar {
  using Scalar = vernier::detail::PackScalar;

  static std::uint32_t absmax(const float* x, int count) {
    __m512i most = _mm512_setzero_si512();
    int i = 0;
    for (; i + 16 <= count; i += 16)
      most = _mm512_max_epi32(most, _mm512_and_si512(_mm512_loadu_si512(x + i), _mm512_set1_epi32(0x7fffffff)));
    return std::max(static_cast<std::uint32_t>(_mm512_reduce_max_epi32(most)), Scalar::absmax(x + i, count - i));
  }
  /// Of whole blocks: a product's magnitude rises with the integer's.
  static std::uint32_t absmax(Int8BlockRows::Row x, int count) {
    constexpr int block = Int8BlockRows::block;
    __m512i most = _mm512_setzero_si512();
    const std::byte* at = x.blocks();
    for (int i = 0; i < count; i += block, at += Int8BlockRows::block_bytes) {
      const __m512i largest = _mm512_max_epi32(_mm512_abs_epi32(integers_of_block(at, 0)), _mm512_abs_epi32(integers_of_block(at, 1)));
      const __m512 value = _mm512_abs_ps(_mm512_mul_ps(scale_of_block(at), _mm512_cvtepi32_ps(largest)));
      most = _mm512_max_epi32(most, _mm512_castps_si512(value));
    }
    return static_cast<std::uint32_t>(_mm512_reduce_max_epi32(most));
  }
  static std::uint32_t absmax(const f16* x, int count) { return absmax_16(x, count); }
  static std::uint32_t absmax(const bf16* x, int count) { return absmax_16(x, count); }

  template <Precision P, class Row>
  static void encode(Row x, const vernier::detail::RowNormalizers& normal, CodeOf<P>* out) {
    if constexpr (P == Precision::e4m3 || P == Precision::e5m2 || P == Precision::bf16) {
      Scalar::encode<P>(x, normal, out);
    } else if constexpr (P == Precision::f16) {
      __m512 values[4];
      load64(x, values);
      for (int i = 0; i < 4; ++i)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 16 * i), _mm512_cvtps_ph(values[i], _MM_FROUND_TO_NEAREST_INT));
    } else {
      static_assert(vernier::detail::share_width == 32, "vernier: two vectors of sixteen values share a scale");
      __m512 values[4];
      load64(x, values);
      __m512i codes[4];
      for (int i = 0; i < 4; ++i) {
        const __m512 v = normalized(values[i], normal[static_cast<std::size_t>(i / 2)]);
        codes[i] = P == Precision::nf4 ? encode_nf4(v) : _mm512_cvtps_epi32(v);
      }
      store_bytes(codes, out);
    }
  }

  static void join_nibbles(const std::uint8_t* codes, std::uint32_t* lanes) {
    const __m512i v = _mm512_loadu_si512(codes);  // of each eight bytes, the upper four go beside the lower
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), _mm512_cvtepi64_epi32(_mm512_or_si512(v, _mm512_srli_epi64(v, 28))));
  }

  /// In squares of 32 rows by 8 lanes of 16 bits, or 16 by 4 of 32: each quarter of a vector is a square of its own, turned by
  /// interleaving.
  template <class Lane>
  static void turn(const std::uint8_t* from, std::ptrdiff_t stride, std::uint8_t* out, int steps) {
    constexpr int side = 16 / sizeof(Lane), step_bytes = CpuPanel::rows * sizeof(Lane);
    int step = 0;
    for (; step + side <= steps; step += side)
      for (int row = 0; row < CpuPanel::rows; row += 4 * side)
        turn_squares(from + row * stride + step * int{sizeof(Lane)}, stride, out + step * step_bytes + row * int{sizeof(Lane)}, Lane{});
    Scalar::turn<Lane>(from + step * int{sizeof(Lane)}, stride, out + step * step_bytes, steps - step);
  }

  template <Precision P>
  static void exponents(const std::uint8_t* tile, int steps, std::uint8_t* out) {
    constexpr int step_bytes = CpuPanel::rows * 2 * CpuPanel::pack(P);
    const auto store = [&](int row, __m512i floats) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + row), _mm512_cvtepi32_epi8(_mm512_srli_epi32(floats, 23)));
    };
    if constexpr (P == Precision::f16) {
      const __m512i largest = largest_of(tile, steps, step_bytes);
      store(0, _mm512_castps_si512(_mm512_cvtph_ps(_mm512_castsi512_si256(largest))));
      store(16, _mm512_castps_si512(_mm512_cvtph_ps(_mm512_extracti64x4_epi64(largest, 1))));
    } else {
      for (int row = 0; row < CpuPanel::rows; row += 16) {  // pairs of a row
        const __m512i largest = largest_of(tile + row * 4, steps, step_bytes);
        store(row, _mm512_slli_epi32(_mm512_max_epi16(largest, _mm512_srli_epi32(largest, 16)), 16));
      }
    }
  }

 private:
  /// Magnitudes of 16 bits compare like their codes.
  template <class T>
  static std::uint32_t absmax_16(const T* x, int count) {
    __m512i most = _mm512_setzero_si512();
    int i = 0;
    for (; i + 32 <= count; i += 32) most = _mm512_max_epi16(most, _mm512_and_si512(_mm512_loadu_si512(x + i), _mm512_set1_epi16(0x7fff)));
    const __m256i sixteen = _mm256_max_epi16(_mm512_castsi512_si256(most), _mm512_extracti64x4_epi64(most, 1));
    const __m128i eight = _mm_max_epi16(_mm256_castsi256_si128(sixteen), _mm256_extracti128_si256(sixteen, 1));
    const __m128i least = _mm_minpos_epu16(_mm_xor_si128(eight, _mm_set1_epi16(-1)));  // of the complements
    const auto largest = static_cast<std::uint16_t>(~_mm_cvtsi128_si32(least));
    return std::max(vernier::detail::magnitude_bits(T{largest}), Scalar::absmax(x + i, count - i));
  }

  /// The largest magnitudes of 32 lanes that come `steps` times, four chains at a time.
  static __m512i largest_of(const std::uint8_t* from, int steps, int step_bytes) {
    __m512i most[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    const auto add = [&](__m512i& chain, int step) {
      chain = _mm512_max_epi16(chain, _mm512_and_si512(_mm512_loadu_si512(from + step * step_bytes), _mm512_set1_epi16(0x7fff)));
    };
    int step = 0;
    for (; step + 4 <= steps; step += 4)
      for (int i = 0; i < 4; ++i) add(most[i], step + i);
    for (; step < steps; ++step) add(most[0], step);
    return _mm512_max_epi16(_mm512_max_epi16(most[0], most[1]), _mm512_max_epi16(most[2], most[3]));
  }

  static __m512 normalized(__m512 x, const vernier::detail::Normalizer& normal) {
    const __m512 by = _mm512_set1_ps(normal.by);
    return normal.divides ? _mm512_div_ps(x, by) : _mm512_mul_ps(x, by);
  }

  /// Adding 1.5 * 2^23 leaves the integer that is nearest to a small number in the lowest bits of the sum.
  static __m512i encode_nf4(__m512 x) {
    const vernier::detail::Nf4Cells& cells = vernier::detail::nf4_cells;
    const __m512 per_unit = _mm512_set1_ps(vernier::detail::Nf4Cells::per_unit), to_integer = _mm512_set1_ps(12582912.0f);
    const __m512i cell = _mm512_castps_si512(_mm512_add_ps(_mm512_mul_ps(x, per_unit), to_integer));
    const __m512 border = _mm512_permutex2var_ps(_mm512_load_ps(cells.borders.data()), cell, _mm512_load_ps(cells.borders.data() + 16));
    const __m512i below =
        _mm512_permutex2var_epi32(_mm512_load_si512(cells.codes.data()), cell, _mm512_load_si512(cells.codes.data() + 16));
    return _mm512_mask_add_epi32(below, _mm512_cmp_ps_mask(x, border, _CMP_GT_OQ), below, _mm512_set1_epi32(1));
  }

  /// 64 small integers as bytes.
  static void store_bytes(const __m512i (&codes)[4], std::uint8_t* out) {
    const __m512i words = _mm512_loadu_si512(even_words.data());
    const __m512i low = _mm512_permutex2var_epi16(codes[0], words, codes[1]);
    const __m512i high = _mm512_permutex2var_epi16(codes[2], words, codes[3]);
    // Packing works within quarters of a vector; the permute puts eights of codes back in order.
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    _mm512_storeu_si512(out, _mm512_permutexvar_epi64(order, _mm512_packs_epi16(low, high)));
  }
  static constexpr std::array<std::uint16_t, 32> even_words = [] {
    std::array<std::uint16_t, 32> words{};
    for (std::size_t i = 0; i < 32; ++i) words[i] = static_cast<std::uint16_t>(2 * i);
    return words;
  }();

  /// Rows `row`, `row + side`, … of four squares.
  static __m512i load(const std::uint8_t* from, std::ptrdiff_t stride, int row, int side) {
    const auto at = [&](int square) { return reinterpret_cast<const __m128i*>(from + (row + square * side) * stride); };
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128(at(0)));
    v = _mm512_inserti32x4(v, _mm_loadu_si128(at(1)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128(at(2)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128(at(3)), 3);
  }

  static void turn_squares(const std::uint8_t* from, std::ptrdiff_t stride, std::uint8_t* out, std::uint32_t) {
    __m512i row[4];
    for (int i = 0; i < 4; ++i) row[i] = load(from, stride, i, 4);
    const __m512i low_a = _mm512_unpacklo_epi32(row[0], row[1]), low_b = _mm512_unpacklo_epi32(row[2], row[3]);
    const __m512i high_a = _mm512_unpackhi_epi32(row[0], row[1]), high_b = _mm512_unpackhi_epi32(row[2], row[3]);
    const __m512i turned[4] = {_mm512_unpacklo_epi64(low_a, low_b), _mm512_unpackhi_epi64(low_a, low_b),
                               _mm512_unpacklo_epi64(high_a, high_b), _mm512_unpackhi_epi64(high_a, high_b)};
    for (int i = 0; i < 4; ++i) _mm512_storeu_si512(out + i * CpuPanel::rows * 4, turned[i]);
  }

  static void turn_squares(const std::uint8_t* from, std::ptrdiff_t stride, std::uint8_t* out, std::uint16_t) {
    __m512i pairs[2][4], fours[2][4];  // of rows i and i + 4, then of four rows; low and high columns
    for (int i = 0; i < 4; ++i) {
      const __m512i a = load(from, stride, i, 8), b = load(from, stride, i + 4, 8);
      pairs[0][i] = _mm512_unpacklo_epi16(a, b);
      pairs[1][i] = _mm512_unpackhi_epi16(a, b);
    }
    for (int half = 0; half < 2; ++half)
      for (int i = 0; i < 2; ++i) {
        fours[i][2 * half] = _mm512_unpacklo_epi16(pairs[half][i], pairs[half][i + 2]);
        fours[i][2 * half + 1] = _mm512_unpackhi_epi16(pairs[half][i], pairs[half][i + 2]);
      }
    for (int i = 0; i < 4; ++i) {
      _mm512_storeu_si512(out + 2 * i * CpuPanel::rows * 2, _mm512_unpacklo_epi16(fours[0][i], fours[1][i]));
      _mm512_storeu_si512(out + (2 * i + 1) * CpuPanel::rows * 2, _mm512_unpackhi_epi16(fours[0][i], fours[1][i]));
    }
  }
};

}  // namespace vernier::cpu::avx512
VERNIER_TARGET_END
#endif
