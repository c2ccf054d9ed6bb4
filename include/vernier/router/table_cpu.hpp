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

/// Every key that gemm() may ask for.
inline constexpr auto all_gemm_keys = [] {
  std::array<GemmKey, 27> keys{};
  std::size_t count = 0;
  for (Isa isa : all_isas)
    for (Precision p : all_precisions)
      for (Multiply multiply : all_multiplies)
        if (p != Precision::f32 && supports(multiply, p)) keys[count++] = {isa, p, multiply};
  return keys;
}();
static_assert(has_catch_all<DefaultGemmTable>(all_gemm_keys),
              "vernier::cpu::DefaultGemmTable: each (isa, weight, multiply) needs a last rule without max_m");
static_assert(all_reachable<DefaultGemmTable>(),
              "vernier::cpu::DefaultGemmTable: a rule stands behind one of its key that takes as many tokens");

}  // namespace vernier::cpu
