// What a CPU GEMM kernel is made for, as a value: the template argument of the kernels and the content of the routing table.
#pragma once

#include <array>
#include <string_view>

#include "vernier/cpu/features.hpp"
#include "vernier/types/precision.hpp"

namespace vernier::cpu {

/// How weights and activations are multiplied.
///   f32   every weight decoded exactly, float multiply-adds. Any weight format.
///   bf16  activations rounded to bf16, products summed in float. bf16 and fp8 weights, whose values bf16 holds exactly.
///   i16   weights rounded to 13 bits and activations to 14, beside the largest of their 64 columns, exact int32 sums. f16 and bf16
///   weights. i8    activations rounded to int8, exact int32 sums per activation group. i8 and nf4 weights; nf4 values are rounded to
///   1/127.
enum class Multiply : unsigned char { f32, bf16, i16, i8 };

inline constexpr std::array all_multiplies{Multiply::f32, Multiply::bf16, Multiply::i16, Multiply::i8};

constexpr std::string_view name(Multiply multiply) {
  switch (multiply) {
    case Multiply::f32: return "f32";
    case Multiply::bf16: return "bf16";
    case Multiply::i16: return "i16";
    case Multiply::i8: return "i8";
  }
  return "?";
}

/// Whether weights of precision p can be multiplied so. f16 never goes through bf16: that would lose three bits.
constexpr bool supports(Multiply multiply, Precision p) {
  switch (multiply) {
    case Multiply::f32: return true;
    case Multiply::bf16: return p == Precision::bf16 || is_fp8(p);
    case Multiply::i16: return p == Precision::f16 || p == Precision::bf16;
    case Multiply::i8: return p == Precision::i8 || p == Precision::nf4;
  }
  return false;
}

/// Whether an instruction set multiplies so at all. Pairs of 16-bit products are no faster than floats in AVX2.
constexpr bool supports(Isa isa, Multiply multiply) { return multiply != Multiply::i16 || isa == Isa::avx512; }

/// What a problem must share with a kernel's config.
struct GemmKey {
  Isa isa = Isa::scalar;
  Precision weight = Precision::f16;
  Multiply multiply = Multiply::f32;
  friend constexpr bool operator==(const GemmKey&, const GemmKey&) = default;
};

/// One CPU kernel: tiles of up to tile_m tokens by 32 rows.
/// Structural: equal values are one instantiation. New fields go last, with a default.
struct GemmConfig {
  Isa isa = Isa::scalar;
  Precision weight = Precision::f16;
  Multiply multiply = Multiply::f32;
  int tile_m = 8;
  bool decode_first = false;  // decode a panel into scratch once for all tokens, instead of in registers for each tile

  constexpr GemmKey key() const { return {isa, weight, multiply}; }
  /// Vector registers of sums: two per token, four of AVX2 in float. int8 keeps its float sums there too only where they fit.
  constexpr int accumulators() const { return tile_m * (isa == Isa::avx512 || multiply == Multiply::i8 ? 2 : 4); }
  constexpr int registers() const { return isa == Isa::avx512 ? 32 : 16; }
  friend constexpr bool operator==(const GemmConfig&, const GemmConfig&) = default;
};

template <int Need, int Have>
struct fits_registers {
  static_assert(Need <= Have, "vernier::cpu::gemm: <accumulators + 2 operands, vector registers>: lower tile_m");
  static constexpr bool holds = true;
};

/// Refuses, with the reason, a config that cannot work well.
template <GemmConfig C>
constexpr bool check() {
  static_assert(C.tile_m >= 1 && C.tile_m <= 16, "vernier::cpu::gemm: tile_m must be 1 to 16 tokens");
  static_assert(supports(C.multiply, C.weight),
                "vernier::cpu::gemm: bf16 multiplies take bf16 or fp8 weights, i16 f16 or bf16, i8 i8 or nf4; use Multiply::f32");
  static_assert(supports(C.isa, C.multiply), "vernier::cpu::gemm: i16 multiplies are for avx512; use Multiply::f32");
  static_assert(!C.decode_first || C.isa != Isa::scalar,
                "vernier::cpu::gemm: decode_first is for avx2 and avx512; scalar kernels decode once per tile");
  static_assert(
      !C.decode_first || C.multiply == Multiply::f32 || C.multiply == Multiply::i16 || (C.weight != Precision::i8 && C.isa == Isa::avx2),
      "vernier::cpu::gemm: decode_first with an i8 or bf16 multiply exists for nf4 and bf16 on avx2; the others need no decoding");
  if constexpr (C.isa != Isa::scalar)
    static_assert(fits_registers<C.accumulators() + 2, C.registers()>::holds, "vernier::cpu::gemm: too many accumulators");
  return true;
}

}  // namespace vernier::cpu
