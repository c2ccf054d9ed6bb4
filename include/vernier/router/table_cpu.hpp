// The default routing table of the CPU GEMM. Numbers alone: each comes with the command that measured it.
#pragma once

#include <array>

#include "vernier/gemm/config.hpp"
#include "vernier/policy/rules.hpp"
#include "vernier/router/select.hpp"

namespace vernier::cpu {

using GemmRule = Rule<GemmConfig>;

/// tile_m fills the registers: 24 of 32 with sums on AVX-512 (12 tokens), 12 of 16 on AVX2 (3 tokens).
/// max_m is where decoding a panel first starts to pay. All of it was measured with one thread on a Zen 4 server core, weights in the L2
/// cache, by `bench.gemm --threads 1 --n 1024 --k 1024 --mib 1 --reps 50 --weights <weight> --isa <isa> --m 3,6,12,24,48,96`.
struct DefaultGemmTable {
  static constexpr std::array rules = {
      // AVX-512: decoding hides behind the multiply-adds, except for f16, whose conversion takes their slots (`--n 2048 --k 2048 --mib 64
      // --m 48,512`: 99 and 101 GFLOP/s in registers, 95 and 110 decoded first), and for fp8: e4m3 92 -> 103 at m = 48, and no gain at 24.
      GemmRule{{.isa = Isa::avx512, .weight = Precision::f16, .tile_m = 12}, 96},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::f16, .tile_m = 12, .decode_first = true}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::bf16, .tile_m = 12}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::i8, .tile_m = 12}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::nf4, .tile_m = 12}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::e4m3, .tile_m = 12}, 24},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::e4m3, .tile_m = 12, .decode_first = true}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::e5m2, .tile_m = 12}, 24},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::e5m2, .tile_m = 12, .decode_first = true}},
      // int8 keeps integer and float sums: those of 7 tokens fill the registers. 8 tokens at once beat 7 and 1 (m = 8: 0.85 ms against
      // 0.89,
      // 16: 1.39 against 1.45), and are a little slower where there are many (m = 480: 80 % of the peak against 82 %).
      GemmRule{{.isa = Isa::avx512, .weight = Precision::i8, .multiply = Multiply::i8, .tile_m = 8}, 16},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::i8, .multiply = Multiply::i8, .tile_m = 7}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::nf4, .multiply = Multiply::i8, .tile_m = 8}, 16},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::nf4, .multiply = Multiply::i8, .tile_m = 7}},
      // int16 converts as it reads where there are few tokens, and the panel first where there are many. One thread, `--n 2048 --k 2048
      // --mib 128 --weights f16/i16`: m = 8 0.66 ms from registers with a tile of 8, 1.03 with 7 and 1; m = 16 0.92 decoded first.
      GemmRule{{.isa = Isa::avx512, .weight = Precision::f16, .multiply = Multiply::i16, .tile_m = 8}, 8},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::f16, .multiply = Multiply::i16, .tile_m = 8, .decode_first = true}, 16},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::f16, .multiply = Multiply::i16, .tile_m = 7, .decode_first = true}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::bf16, .multiply = Multiply::i16, .tile_m = 8}, 8},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::bf16, .multiply = Multiply::i16, .tile_m = 8, .decode_first = true}, 16},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::bf16, .multiply = Multiply::i16, .tile_m = 7, .decode_first = true}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::bf16, .multiply = Multiply::bf16, .tile_m = 12}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::e4m3, .multiply = Multiply::bf16, .tile_m = 12}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::e5m2, .multiply = Multiply::bf16, .tile_m = 12}},

      // AVX2: an f16 vector is one instruction to decode, so that decoding first never pays (m = 6: 133 us against 213).
      GemmRule{{.isa = Isa::avx2, .weight = Precision::f16, .tile_m = 3}},
      // i8 in registers: m = 12 264 us against 328, m = 96 2112 us against 1939. The others pay from the second tile of three on.
      GemmRule{{.isa = Isa::avx2, .weight = Precision::i8, .tile_m = 3}, 24},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::i8, .tile_m = 3, .decode_first = true}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::bf16, .tile_m = 3}, 3},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::bf16, .tile_m = 3, .decode_first = true}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::e4m3, .tile_m = 3}, 3},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::e4m3, .tile_m = 3, .decode_first = true}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::e5m2, .tile_m = 3}, 3},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::e5m2, .tile_m = 3, .decode_first = true}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::nf4, .tile_m = 3}, 3},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::nf4, .tile_m = 3, .decode_first = true}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::i8, .multiply = Multiply::i8, .tile_m = 4}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::nf4, .multiply = Multiply::i8, .tile_m = 4}, 8},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::nf4, .multiply = Multiply::i8, .tile_m = 4, .decode_first = true}},
      // A bf16 multiply is a float one here: m = 96 49 GFLOP/s in registers, 92 decoded first.
      GemmRule{{.isa = Isa::avx2, .weight = Precision::bf16, .multiply = Multiply::bf16, .tile_m = 3}, 3},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::bf16, .multiply = Multiply::bf16, .tile_m = 3, .decode_first = true}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::e4m3, .multiply = Multiply::bf16, .tile_m = 3}, 3},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::e4m3, .multiply = Multiply::bf16, .tile_m = 3, .decode_first = true}},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::e5m2, .multiply = Multiply::bf16, .tile_m = 3}, 3},
      GemmRule{{.isa = Isa::avx2, .weight = Precision::e5m2, .multiply = Multiply::bf16, .tile_m = 3, .decode_first = true}},

      // Portable: a tile of 8 amortises the decoding; not tuned further.
      GemmRule{{.isa = Isa::scalar, .weight = Precision::f16, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::bf16, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::i8, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::e4m3, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::e5m2, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::nf4, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::i8, .multiply = Multiply::i8, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::nf4, .multiply = Multiply::i8, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::bf16, .multiply = Multiply::bf16, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::e4m3, .multiply = Multiply::bf16, .tile_m = 8}},
      GemmRule{{.isa = Isa::scalar, .weight = Precision::e5m2, .multiply = Multiply::bf16, .tile_m = 8}},
  };
};

/// How many bytes before they multiply codes one token's AVX-512 kernels fetch them; 0: not at all. One thread of Zen 5 is limited by how
/// many lines it has under way, and its own prefetcher does not ask for enough of them: `bench.gemm --threads 1 --mib 512 --reps 5 --m 1
/// --n 2048 --k 2048`, without, 2 KiB, 4, 6 and 8 KiB ahead: f16/i16 37.1, 38.7, 40.7, 41.3, 39.1 GB/s, e4m3/bf16 32.6, 35.7, 38.5, 40.5,
/// 41.8, i8 37.5, 40.4, 41.0, 40.5, 39.5, nf4 (n = 8192) 38.6, 39.8, 40.3, 42.5 and at 12 KiB 37.9; of 44. On Zen 4 fetching lost.
constexpr int fetch_distance(const Features& machine) { return machine.amd_family == 26 ? 6144 : 0; }

/// Every key that gemm() may ask for.
inline constexpr auto all_gemm_keys = [] {
  std::array<GemmKey, 35> keys{};
  std::size_t count = 0;
  for (Isa isa : all_isas)
    for (Precision p : all_precisions)
      for (Multiply multiply : all_multiplies)
        if (p != Precision::f32 && supports(multiply, p) && supports(isa, multiply)) keys[count++] = {isa, p, multiply};
  return keys;
}();
static_assert(has_catch_all<DefaultGemmTable>(all_gemm_keys),
              "vernier::cpu::DefaultGemmTable: each (isa, weight, multiply) needs a last rule without max_m");
static_assert(all_reachable<DefaultGemmTable>(),
              "vernier::cpu::DefaultGemmTable: a rule stands behind one of its key that takes as many tokens");

}  // namespace vernier::cpu
