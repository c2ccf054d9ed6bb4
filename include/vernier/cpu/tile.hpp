// The border between the GEMM driver and the micro-kernels: one call computes one tile. No vector type crosses it, so that the driver
// needs no instruction set and a micro-kernel knows nothing of threads, batches or epilogues.
#pragma once

#include <array>
#include <cstdint>

#include "vernier/layout/cpu_panel.hpp"
#include "vernier/types/int8.hpp"
#include "vernier/types/nf4.hpp"

namespace vernier::cpu {

/// Columns of K that share one activation scale when activations are int8, for weights of precision p. Scale groups of weights are
/// multiples of it. nf4 rounds far more than its activations do, so that they may share a scale as wide as its own.
constexpr int activation_group(Precision p) { return p == Precision::nf4 ? 64 : 32; }

/// Columns of K that share a scale in an int16 multiply, of weights and of activations, and the largest code of an activation. Weights
/// reach 4094 (f16: 2047 * 2), and 64 products of the two stay below 2^31.
inline constexpr int int16_group = exponent_group, int16_largest = 8191;
static_assert(std::int64_t{int16_group} * int16_largest * 4094 < std::int64_t{1} << 31, "vernier::cpu: int16 sums overflow int32");

inline constexpr int max_tile_width = 16;

/// A tile of `width` tokens by the 32 rows of one panel. Vector kernels have the width as a template parameter too.
///
/// Activations are interleaved by token: those of f32 as [k][width] floats, bf16 and int16 as [k / 2][width][2],
/// int8 as [k / 4][width][4] codes.
/// Sums run in ascending k as one chain of multiply-adds per (token, row) and scale group; group sums are then added in ascending order.
struct Tile {
  int width = 1;                            // tokens, at most max_tile_width
  const std::uint8_t* codes = nullptr;      // the panel, in CpuPanel order
  const float* scales = nullptr;            // [scale groups][32], null without scales
  const std::uint8_t* exponents = nullptr;  // int16: [k / 64][32], see PackedView
  int scale_group = 0;                      // columns per scale, a multiple of the pack; k when a row has one scale
  int k = 0;                                // columns, padded to a multiple of the pack
  const void* x = nullptr;                  // activations
  const float* x_scales = nullptr;          // int8, int16: [k / activation group][width]
  const std::int32_t* x_offsets = nullptr;  // int8: [k / activation group][width], -128 times the sum of the group's codes
  const std::uint8_t* ahead = nullptr;      // int8: what to fetch meanwhile of the panel that comes next,
  int ahead_lines = 0;                      // so many cache lines for each activation group
  int distance = 0;                         // one token, AVX-512: as many bytes before it multiplies codes it fetches them
  float unit = 1;                           // what a decoded weight of 1 stands for; multiplies the scales
  float* y = nullptr;                       // out: (width, 32)
};

/// The nf4 values in units of 1/127, rounded to nearest: what an int8 multiply uses for them.
inline constexpr std::array<std::int8_t, 16> nf4_integers = [] {
  std::array<std::int8_t, 16> integers{};
  for (std::size_t i = 0; i < 16; ++i) integers[i] = i8::encode(nf4::values[i] * 127.0f).bits;
  return integers;
}();

/// The same plus 128, unsigned as vpdpbusd wants its first operand.
inline constexpr std::array<std::uint8_t, 16> nf4_offset_integers = [] {
  std::array<std::uint8_t, 16> integers{};
  for (std::size_t i = 0; i < 16; ++i) integers[i] = static_cast<std::uint8_t>(nf4_integers[i] + 128);
  return integers;
}();

using TileKernel = void (*)(const Tile&);

}  // namespace vernier::cpu
