// The portable micro-kernels: plain C++, for machines without AVX2 and as the plainest statement of what the others compute.
// Results differ from theirs in the last bits, because multiply and add round separately here.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "vernier/cpu/tile.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/fp8.hpp"
#include "vernier/types/nf4.hpp"

namespace vernier::cpu::scalar {

namespace detail {

template <class Float8>
constexpr std::array<float, 256> decode_table() {
  std::array<float, 256> table{};
  for (std::size_t i = 0; i < 256; ++i) table[i] = Float8{static_cast<std::uint8_t>(i)}.decode();
  return table;
}
template <class Float8>
inline constexpr std::array<float, 256> values = decode_table<Float8>();

}  // namespace detail

/// The weight of one lane: column j of a step, whose lane (one row) starts at `lane`. Without its scale.
template <Precision P>
inline float decode(const std::uint8_t* lane, int j) {
  std::uint32_t word = 0;
  if constexpr (P == Precision::f32) {
    float value = 0;
    std::memcpy(&value, lane, 4);
    return value;
  } else if constexpr (P == Precision::f16 || P == Precision::bf16) {
    std::memcpy(&word, lane + 2 * j, 2);
    if constexpr (P == Precision::f16) return f16{static_cast<std::uint16_t>(word)}.decode();
    return bf16{static_cast<std::uint16_t>(word)}.decode();
  } else if constexpr (P == Precision::e4m3) {
    return detail::values<e4m3>[lane[j]];
  } else if constexpr (P == Precision::e5m2) {
    return detail::values<e5m2>[lane[j]];
  } else if constexpr (P == Precision::i8) {
    return static_cast<float>(static_cast<std::int8_t>(lane[j]));
  } else {
    static_assert(P == Precision::nf4, "vernier::cpu::scalar::decode: no decoder for this precision; add one here");
    return nf4::values[(lane[j % 4] >> (j < 4 ? 0 : 4)) & 15];
  }
}

/// The first `k` columns of a panel as an f32 panel, [k][32] floats.
template <Precision P>
inline void decode_panel(const std::uint8_t* codes, int k, float* out) {
  constexpr int pack = CpuPanel::pack(P), lane_bytes = pack * bits(P) / 8;
  for (int k0 = 0; k0 < k; k0 += pack, codes += lane_bytes * CpuPanel::rows)
    for (int j = 0; j < pack; ++j)
      for (int row = 0; row < CpuPanel::rows; ++row) *out++ = decode<P>(codes + row * lane_bytes, j);
}

/// One tile in float.
template <Precision P>
inline void float_tile(const Tile& tile) {
  constexpr int pack = CpuPanel::pack(P), rows = CpuPanel::rows;
  const int width = tile.width;
  const float* x = static_cast<const float*>(tile.x);
  const std::uint8_t* codes = tile.codes;
  float weights[pack * rows];
  float sums[max_tile_width * rows];
  std::fill_n(tile.y, width * rows, 0.0f);
  for (int begin = 0; begin < tile.k; begin += tile.scale_group) {
    const int end = std::min(tile.k, begin + tile.scale_group);
    std::fill_n(sums, width * rows, 0.0f);
    for (int k0 = begin; k0 < end; k0 += pack) {
      decode_panel<P>(codes, pack, weights);
      codes += pack * rows * bits(P) / 8;
      for (int j = 0; j < pack; ++j, x += width)
        for (int t = 0; t < width; ++t)
          for (int row = 0; row < rows; ++row) sums[t * rows + row] += x[t] * weights[j * rows + row];
    }
    const float* scales = tile.scales != nullptr ? tile.scales + static_cast<std::ptrdiff_t>(begin / tile.scale_group) * rows : nullptr;
    for (int i = 0; i < width * rows; ++i) tile.y[i] += scales != nullptr ? sums[i] * (scales[i % rows] * tile.unit) : sums[i] * tile.unit;
  }
}

/// The code that stands for a weight in an int8 multiply, in units of 1 (i8) or 1/127 (nf4).
template <Precision P>
inline int integer_code(const std::uint8_t* lane, int j) {
  if constexpr (P == Precision::i8) return static_cast<std::int8_t>(lane[j]);
  return nf4_integers[(lane[j % 4] >> (j < 4 ? 0 : 4)) & 15];
}

/// One tile in int8: exact sums per activation group, scaled and added in float.
template <Precision P>
inline void int8_tile(const Tile& tile) {
  constexpr int pack = CpuPanel::pack(P), rows = CpuPanel::rows, lane_bytes = pack * bits(P) / 8, group = activation_group(P);
  const int width = tile.width;
  float sums[max_tile_width * rows];
  std::fill_n(tile.y, width * rows, 0.0f);
  for (int begin = 0; begin < tile.k; begin += tile.scale_group) {
    const int end = std::min(tile.k, begin + tile.scale_group);
    std::fill_n(sums, width * rows, 0.0f);
    for (int k0 = begin; k0 < end; k0 += group) {
      const float* x_scales = tile.x_scales + static_cast<std::ptrdiff_t>(k0 / group) * width;
      for (int t = 0; t < width; ++t)
        for (int row = 0; row < rows; ++row) {
          int sum = 0;
          for (int k = k0; k < std::min(end, k0 + group); ++k) {
            const std::uint8_t* lane = tile.codes + (static_cast<std::ptrdiff_t>(k / pack) * rows + row) * lane_bytes;
            const auto* x = static_cast<const std::int8_t*>(tile.x) + (static_cast<std::ptrdiff_t>(k / 4) * width + t) * 4;
            sum += integer_code<P>(lane, k % pack) * x[k % 4];
          }
          sums[t * rows + row] += static_cast<float>(sum) * x_scales[t];
        }
    }
    const float* scales = tile.scales + static_cast<std::ptrdiff_t>(begin / tile.scale_group) * rows;
    for (int i = 0; i < width * rows; ++i) tile.y[i] += sums[i] * (scales[i % rows] * tile.unit);
  }
}

}  // namespace vernier::cpu::scalar
