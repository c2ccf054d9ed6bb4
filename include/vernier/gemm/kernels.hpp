// From a config to its micro-kernels: a GemmConfig names an instruction set and a tile, a KernelSet holds the functions to call.
// The driver sees only KernelSets, so it is compiled once and not per kernel.
#pragma once

#include <array>
#include <cstdint>

#include "vernier/cpu/micro_avx2.hpp"
#include "vernier/cpu/micro_avx512.hpp"
#include "vernier/cpu/micro_avx512_bf16.hpp"
#include "vernier/cpu/micro_avx512_i16.hpp"
#include "vernier/cpu/micro_avx512_i8.hpp"
#include "vernier/cpu/micro_scalar.hpp"
#include "vernier/cpu/tile.hpp"
#include "vernier/gemm/config.hpp"

namespace vernier::cpu {

using DecodePanel = void (*)(const Tile& panel, std::uint8_t* out);

/// The functions of one config. tiles[i] takes 1 << i tokens, except that wide takes tile_m.
struct KernelSet {
  GemmConfig config{};
  DecodePanel decode = nullptr;  // null: tiles read the codes themselves
  std::array<TileKernel, 4> tiles{};
  TileKernel wide = nullptr;
  float unit = 1;  // see Tile::unit

  TileKernel tile(int width) const {
    if (width == config.tile_m) return wide;
    return tiles[width == 1 ? 0 : width == 2 ? 1 : width == 4 ? 2 : 3];
  }
};

namespace detail {

/// The micro-kernel of C for `Width` tokens; null when C never uses that width or the target has no such instruction set.
template <GemmConfig C, int Width>
constexpr TileKernel tile_kernel() {
  constexpr Precision decoded = C.multiply == Multiply::i8 ? Precision::i8 : Precision::f32, p = C.decode_first ? decoded : C.weight;
  constexpr int group = activation_group(C.weight);
  if constexpr (Width > C.tile_m) {
    return nullptr;
  } else if constexpr (C.isa == Isa::scalar) {
    if constexpr (C.multiply == Multiply::i8)
      return scalar::int8_tile<p>;
    else
      return scalar::float_tile<p>;
#if defined(__x86_64__)
  } else if constexpr (C.isa == Isa::avx2) {
    if constexpr (C.multiply == Multiply::i8)
      return avx2::int8_tile<p, group, Width>;
    else
      return avx2::float_tile<p, Width>;
  } else if constexpr (C.isa == Isa::avx512) {
    if constexpr (C.multiply == Multiply::i8)
      return avx512::int8_tile<p, Width>;
    else if constexpr (C.multiply == Multiply::i16)
      return avx512::int16_tile<C.weight, Width, C.decode_first>;
    else if constexpr (C.multiply == Multiply::bf16)
      return avx512::bf16_tile<p, Width>;
    else
      return avx512::float_tile<p, Width>;
#endif
  } else {
    return nullptr;
  }
}

/// The function that decodes a panel for C; null when tiles read the codes themselves.
template <GemmConfig C>
constexpr DecodePanel panel_decoder() {
#if defined(__x86_64__)
  if constexpr (C.decode_first && C.isa == Isa::avx2)
    return C.multiply == Multiply::i8 ? avx2::decode_integer_panel : avx2::decode_panel<C.weight>;
  else if constexpr (C.decode_first && C.multiply == Multiply::i16)
    return avx512::decode_int16_panel<C.weight>;
  else if constexpr (C.decode_first && C.isa == Isa::avx512)
    return avx512::decode_panel<C.weight>;
#endif
  return nullptr;
}

/// What one unit of C's weights stands for, before their scale.
template <GemmConfig C>
constexpr float unit() {
  if constexpr (C.multiply == Multiply::i8) return C.weight == Precision::nf4 ? 1.0f / 127.0f : 1.0f;
#if defined(__x86_64__)
  else if constexpr (C.isa == Isa::avx2)
    return avx2::float_unit(C.weight);
  else if constexpr (C.isa == Isa::avx512)
    return C.multiply == Multiply::bf16 || C.multiply == Multiply::i16 ? 1.0f : avx512::float_unit(C.weight);
#endif
  else
    return 1.0f;
}

}  // namespace detail

template <GemmConfig C>
constexpr KernelSet kernel_set() {
  static_assert(check<C>(), "vernier::cpu::gemm: see the message above");
  return {.config = C,
          .decode = detail::panel_decoder<C>(),
          .tiles = {detail::tile_kernel<C, 1>(), detail::tile_kernel<C, 2>(), detail::tile_kernel<C, 4>(), detail::tile_kernel<C, 8>()},
          .wide = detail::tile_kernel<C, C.tile_m>(),
          .unit = detail::unit<C>()};
}

}  // namespace vernier::cpu
