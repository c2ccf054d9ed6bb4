// The innermost steps of packing: from values to codes, and from rows of codes to steps of a panel. These define what pack_avx2.hpp and
// pack_avx512.hpp do faster, to the same bits.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "vernier/core/math.hpp"
#include "vernier/layout/weight_format.hpp"
#include "vernier/quant/code_tile.hpp"
#include "vernier/quant/int8_blocks.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier::detail {

/// Columns of a tile that share a scale for certain: groups are multiples of it.
inline constexpr int share_width = group_granularity;

/// What values that share a scale are multiplied by before they are encoded; or, if it divides, divided by.
struct Normalizer {
  float by = 1;
  bool divides = false;
};

/// Those of a row of a tile of 64 columns.
using RowNormalizers = std::array<Normalizer, 64 / share_width>;

constexpr float value_of(float x) { return x; }
constexpr float value_of(f16 x) { return x.decode(); }
constexpr float value_of(bf16 x) { return x.decode(); }

/// The bits of |x| as a float. As integers magnitudes compare like the numbers, and NaN lies above infinity.
template <class T>
constexpr std::uint32_t magnitude_bits(T x) {
  return float_bits(value_of(x)) & 0x7fffffffu;
}

template <Precision P>
constexpr CodeOf<P> code_of(float x) {
  return static_cast<CodeOf<P>>(TypeOf<P>::encode(x).bits);
}

struct PackScalar {
  /// The largest magnitude_bits() in x[0, count). Row: a pointer to float, f16 or bf16, or an Int8BlockRows::Row.
  template <class Row>
  static std::uint32_t absmax(Row x, int count) {
    std::int32_t most = 0;
    for (int i = 0; i < count; ++i) most = std::max(most, static_cast<std::int32_t>(magnitude_bits(x[i])));
    return static_cast<std::uint32_t>(most);
  }

  /// The codes of the 64 values of a row of a tile.
  template <Precision P, class Row>
  [[gnu::always_inline]] static void encode(Row x, const RowNormalizers& normal, CodeOf<P>* out) {
    for (const Normalizer& half : normal) {
      if (P == Precision::nf4 && half.divides)
        for (int i = 0; i < share_width; ++i) out[i] = code_of<P>(value_of(x[i]) / half.by);
      else
        for (int i = 0; i < share_width; ++i) out[i] = code_of<P>(value_of(x[i]) * half.by);
      x = x + share_width, out += share_width;
    }
  }

  /// 64 nf4 codes as eight lanes: columns 4 to 7 of each eight go into the high nibbles.
  static void join_nibbles(const std::uint8_t* codes, std::uint32_t* lanes) {
    std::uint32_t fours[16];
    std::memcpy(fours, codes, sizeof fours);
    for (int i = 0; i < 8; ++i) lanes[i] = fours[2 * i] | fours[2 * i + 1] << 4;
  }

  /// From `steps` lanes of each of 32 rows, `stride` bytes apart, to 32 lanes of each of `steps` steps.
  template <class Lane>
  static void turn(const std::uint8_t* from, std::ptrdiff_t stride, std::uint8_t* out, int steps) {
    for (int step = 0; step < steps; ++step)
      for (int row = 0; row < CpuPanel::rows; ++row, out += sizeof(Lane))
        std::memcpy(out, from + row * stride + step * int{sizeof(Lane)}, sizeof(Lane));
  }

  /// The exponents (see PackedView) of 32 rows of f16 or bf16 from a tile of `steps` steps that is turned already.
  template <Precision P>
  static void exponents(const std::uint8_t* tile, int steps, std::uint8_t* out) {
    std::uint16_t largest[CpuPanel::rows] = {};  // magnitudes compare like their codes
    constexpr int pack = CpuPanel::pack(P);
    for (int step = 0; step < steps; ++step)
      for (int i = 0; i < CpuPanel::rows * pack; ++i, tile += 2) {
        std::uint16_t code;
        std::memcpy(&code, tile, sizeof code);
        largest[i / pack] = std::max(largest[i / pack], static_cast<std::uint16_t>(code & 0x7fffu));
      }
    for (int i = 0; i < CpuPanel::rows; ++i) out[i] = static_cast<std::uint8_t>(float_bits(TypeOf<P>{largest[i]}.decode()) >> 23);
  }
};

}  // namespace vernier::detail
