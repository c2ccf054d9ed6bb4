// From a config to its micro-kernels: a GemmConfig names an instruction set and a tile, a KernelSet holds the functions to call.
// The driver sees only KernelSets, so it is compiled once and not per kernel.
#pragma once

#include <array>
#include <cstdint>

#include "vernier/cpu/micro_scalar.hpp"
#include "vernier/cpu/tile.hpp"
#include "vernier/gemm/config.hpp"

namespace vernier::cpu {

/// The functions of one config. tiles[i] takes 1 << i tokens, except that wide takes tile_m.
struct KernelSet {
  GemmConfig config{};
  void (*decode)(const std::uint8_t* codes, int k, float* out) = nullptr;  // null: tiles read the codes themselves
  std::array<TileKernel, 4> tiles{};
  TileKernel wide = nullptr;

  TileKernel tile(int width) const {
    if (width == config.tile_m) return wide;
    return tiles[width == 1 ? 0 : width == 2 ? 1 : width == 4 ? 2 : 3];
  }
};

namespace detail {

/// The micro-kernel of C for `Width` tokens; null when C never uses that width.
template <GemmConfig C, int Width>
constexpr TileKernel tile_kernel() {
  constexpr Precision p = C.decode_first ? Precision::f32 : C.weight;
  if constexpr (Width > C.tile_m) {
    return nullptr;
  } else if constexpr (C.isa == Isa::scalar) {
    if constexpr (C.multiply == Multiply::i8)
      return scalar::int8_tile<p, Width>;
    else
      return scalar::float_tile<p, Width>;
  }
}

}  // namespace detail

template <GemmConfig C>
constexpr KernelSet kernel_set() {
  static_assert(check<C>(), "vernier::cpu::gemm: see the message above");
  KernelSet set{
      .config = C,
      .tiles = {detail::tile_kernel<C, 1>(), detail::tile_kernel<C, 2>(), detail::tile_kernel<C, 4>(), detail::tile_kernel<C, 8>()},
      .wide = detail::tile_kernel<C, C.tile_m>()};
  if constexpr (C.decode_first) set.decode = scalar::decode_panel<C.weight>;
  return set;
}

}  // namespace vernier::cpu
