// See pack_scalar.hpp.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "vernier/core/macros.hpp"
#include "vernier/quant/pack_scalar.hpp"

VERNIER_TARGET_AVX2
namespace vernier::cpu::avx2 {

inline __m256 load8(const float* x) { return _mm256_loadu_ps(x); }
inline __m256 load8(const f16* x) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))); }
inline __m256 load8(const bf16* x) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))), 16));
}

/// Columns 0 to 7, which lie in one block.
inline __m256 load8(Int8BlockRows::Row x) {
  const __m256 scale = _mm256_cvtph_ps(_mm_set1_epi16(static_cast<short>(x.scale(0).bits)));
  const __m128i integers = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x.integers(0)));
  return _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(integers)));
}

struct Pack : vernier::detail::PackScalar {
  using Scalar = vernier::detail::PackScalar;

  template <class Row>
  static std::uint32_t absmax(Row x, int count) {
    __m256i most = _mm256_setzero_si256();
    int i = 0;
    for (; i + 8 <= count; i += 8)
      most = _mm256_max_epi32(most, _mm256_and_si256(_mm256_castps_si256(load8(x + i)), _mm256_set1_epi32(0x7fffffff)));
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    return std::max(static_cast<std::uint32_t>(_mm_cvtsi128_si32(four)), Scalar::absmax(x + i, count - i));
  }

  /// Eight codes as numbers of 32 bits: the borders below x are counted.
  static __m256i encode_nf4(__m256 x) {
    __m256i code = _mm256_setzero_si256();
    for (const float border : nf4::borders)
      code = _mm256_sub_epi32(code, _mm256_castps_si256(_mm256_cmp_ps(x, _mm256_set1_ps(border), _CMP_GT_OQ)));
    return code;
  }

  template <Precision P, class Row>
  static void encode(Row x, const vernier::detail::RowNormalizers& normal, CodeOf<P>* out) {
    if constexpr (P == Precision::e4m3 || P == Precision::e5m2 || P == Precision::bf16) {
      Scalar::encode<P>(x, normal, out);
    } else if constexpr (P == Precision::f16) {
      for (int i = 0; i < 64; i += 8)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm256_cvtps_ph(load8(x + i), _MM_FROUND_TO_NEAREST_INT));
    } else {
      for (int half = 0; half < 2; ++half) encode_32<P>(x + 32 * half, normal[static_cast<std::size_t>(half)], out + 32 * half);
    }
  }

  /// In squares of 16 rows by 8 lanes of 16 bits, or 8 by 4 of 32: each half of a vector is a square of its own, turned by interleaving.
  template <class Lane>
  static void turn(const std::uint8_t* from, std::ptrdiff_t stride, std::uint8_t* out, int steps) {
    constexpr int side = 16 / sizeof(Lane), step_bytes = CpuPanel::rows * sizeof(Lane);
    int step = 0;
    for (; step + side <= steps; step += side)
      for (int row = 0; row < CpuPanel::rows; row += 2 * side)
        turn_squares(from + row * stride + step * int{sizeof(Lane)}, stride, out + step * step_bytes + row * int{sizeof(Lane)}, Lane{});
    Scalar::turn<Lane>(from + step * int{sizeof(Lane)}, stride, out + step * step_bytes, steps - step);
  }

  template <Precision P>
  static void exponents(const std::uint8_t* tile, int steps, std::uint8_t* out) {
    constexpr int pack = CpuPanel::pack(P), rows = 16 / pack;  // of a vector
    for (int row = 0; row < CpuPanel::rows; row += rows) {
      const __m256i largest = largest_of(tile + row * 2 * pack, steps, CpuPanel::rows * 2 * pack);
      for (int half = 0; half < 2; ++half) {
        const __m128i eight = half == 0 ? _mm256_castsi256_si128(largest) : _mm256_extracti128_si256(largest, 1);
        alignas(32) std::array<std::uint32_t, 8> exponents;
        if constexpr (P == Precision::f16) {
          _mm256_store_si256(reinterpret_cast<__m256i*>(exponents.data()),
                             _mm256_srli_epi32(_mm256_castps_si256(_mm256_cvtph_ps(eight)), 23));
          for (std::size_t i = 0; i < 8; ++i) out[row + 8 * half + static_cast<int>(i)] = static_cast<std::uint8_t>(exponents[i]);
        } else {  // pairs of a row
          const __m128i four = _mm_max_epi16(eight, _mm_srli_epi32(eight, 16));
          _mm_store_si128(reinterpret_cast<__m128i*>(exponents.data()), _mm_srli_epi32(_mm_slli_epi32(four, 16), 23));
          for (std::size_t i = 0; i < 4; ++i) out[row + 4 * half + static_cast<int>(i)] = static_cast<std::uint8_t>(exponents[i]);
        }
      }
    }
  }

 private:
  /// The largest magnitudes of sixteen lanes that come `steps` times, two chains at a time.
  static __m256i largest_of(const std::uint8_t* from, int steps, int step_bytes) {
    __m256i most[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (int step = 0; step < steps; ++step) {
      const __m256i lanes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + step * step_bytes));
      most[step % 2] = _mm256_max_epi16(most[step % 2], _mm256_and_si256(lanes, _mm256_set1_epi16(0x7fff)));
    }
    return _mm256_max_epi16(most[0], most[1]);
  }

  template <Precision P, class Row>
  static void encode_32(Row x, const vernier::detail::Normalizer& normal, std::uint8_t* out) {
    static_assert(vernier::detail::share_width == 32, "vernier: four vectors of eight values are packed to 32 bytes");
    __m256i codes[4];
    for (int i = 0; i < 4; ++i) {
      __m256 v = load8(x + 8 * i);
      v = normal.divides ? _mm256_div_ps(v, _mm256_set1_ps(normal.by)) : _mm256_mul_ps(v, _mm256_set1_ps(normal.by));
      if constexpr (P == Precision::nf4)
        codes[i] = encode_nf4(v);
      else
        codes[i] = _mm256_cvtps_epi32(v);
    }
    // Packing works within 128-bit halves; the permute puts quads of codes back in order.
    const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(codes[0], codes[1]), _mm256_packs_epi32(codes[2], codes[3]));
    const __m256i ordered = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), ordered);
  }

  /// Rows `row` and `row + side` of two squares.
  static __m256i load(const std::uint8_t* from, std::ptrdiff_t stride, int row, int side) {
    const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + row * stride));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + (row + side) * stride)), 1);
  }

  static void turn_squares(const std::uint8_t* from, std::ptrdiff_t stride, std::uint8_t* out, std::uint32_t) {
    __m256i row[4];
    for (int i = 0; i < 4; ++i) row[i] = load(from, stride, i, 4);
    const __m256i low_a = _mm256_unpacklo_epi32(row[0], row[1]), low_b = _mm256_unpacklo_epi32(row[2], row[3]);
    const __m256i high_a = _mm256_unpackhi_epi32(row[0], row[1]), high_b = _mm256_unpackhi_epi32(row[2], row[3]);
    const __m256i turned[4] = {_mm256_unpacklo_epi64(low_a, low_b), _mm256_unpackhi_epi64(low_a, low_b),
                               _mm256_unpacklo_epi64(high_a, high_b), _mm256_unpackhi_epi64(high_a, high_b)};
    for (int i = 0; i < 4; ++i) _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i * CpuPanel::rows * 4), turned[i]);
  }

  static void turn_squares(const std::uint8_t* from, std::ptrdiff_t stride, std::uint8_t* out, std::uint16_t) {
    __m256i pairs[2][4], fours[2][4];  // of rows i and i + 4, then of four rows; low and high columns
    for (int i = 0; i < 4; ++i) {
      const __m256i a = load(from, stride, i, 8), b = load(from, stride, i + 4, 8);
      pairs[0][i] = _mm256_unpacklo_epi16(a, b);
      pairs[1][i] = _mm256_unpackhi_epi16(a, b);
    }
    for (int half = 0; half < 2; ++half)
      for (int i = 0; i < 2; ++i) {
        fours[i][2 * half] = _mm256_unpacklo_epi16(pairs[half][i], pairs[half][i + 2]);
        fours[i][2 * half + 1] = _mm256_unpackhi_epi16(pairs[half][i], pairs[half][i + 2]);
      }
    for (int i = 0; i < 4; ++i) {
      const __m256i even = _mm256_unpacklo_epi16(fours[0][i], fours[1][i]), odd = _mm256_unpackhi_epi16(fours[0][i], fours[1][i]);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 2 * i * CpuPanel::rows * 2), even);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + (2 * i + 1) * CpuPanel::rows * 2), odd);
    }
  }
};

}  // namespace vernier::cpu::avx2
VERNIER_TARGET_END
#endif
