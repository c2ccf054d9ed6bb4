// The default routing table of the CPU GEMM. Numbers alone: each comes with the command that measured it.
#pragma once

#include <array>

#include "vernier/gemm/config.hpp"
#include "vernier/policy/rules.hpp"
#include "vernier/router/select.hpp"

namespace vernier::cpu {

using GemmRule = Rule<GemmConfig>;

struct DefaultGemmTable {
  static constexpr std::array rules = {
      GemmRule{{.isa = Isa::avx512, .weight = Precision::f16, .tile_m = 12}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::bf16, .tile_m = 12}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::i8, .tile_m = 12}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::e4m3, .tile_m = 12}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::e5m2, .tile_m = 12}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::nf4, .tile_m = 12}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::i8, .multiply = Multiply::i8, .tile_m = 6}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::nf4, .multiply = Multiply::i8, .tile_m = 6}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::bf16, .multiply = Multiply::bf16, .tile_m = 12}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::f16, .tile_m = 3}, 3},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::f16, .tile_m = 3, .decode_first = true}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::bf16, .tile_m = 3}, 3},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::bf16, .tile_m = 3, .decode_first = true}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::i8, .tile_m = 3}, 3},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::i8, .tile_m = 3, .decode_first = true}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::e4m3, .tile_m = 3}, 3},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::e4m3, .tile_m = 3, .decode_first = true}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::e5m2, .tile_m = 3}, 3},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::e5m2, .tile_m = 3, .decode_first = true}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::nf4, .tile_m = 3}, 3},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::nf4, .tile_m = 3, .decode_first = true}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::i8, .multiply = Multiply::i8, .tile_m = 3}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::nf4, .multiply = Multiply::i8, .tile_m = 3}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::bf16, .multiply = Multiply::bf16, .tile_m = 3}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::f16, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::bf16, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::i8, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::e4m3, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::e5m2, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::nf4, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::i8, .multiply = Multiply::i8, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::nf4, .multiply = Multiply::i8, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::bf16, .multiply = Multiply::bf16, .tile_m = 8}},
  };
};

}  // namespace vernier::cpu
