// The default routing table of the CUDA GEMM of packed weights: which kernel for how many tokens. No number here was measured: each is what
// counting bytes, instructions and registers predicts (docs/cuda.md, "GEMM"), and stands until a device says otherwise.
#pragma once

#include <array>
#include <cstddef>

#include "vernier/gemm/mma_config.hpp"
#include "vernier/policy/rules.hpp"
#include "vernier/router/select.hpp"

namespace vernier::cuda {

using MmaRule = Rule<MmaConfig>;

/// Every key that gemm() may ask for: 13 on sm80, two more from sm89 on.
inline constexpr auto all_mma_keys = [] {
  std::array<MmaKey, 13 + 15 + 15> keys{};
  std::size_t count = 0;
  for (const Arch arch : {Arch::sm80, Arch::sm89, Arch::sm90a})
    for (const Precision weight : all_precisions)
      for (const Precision operand : {Precision::f16, Precision::bf16, Precision::i8, Precision::e4m3})
        for (const int part : {0, 32, 64, 128})
          if (multiplies(weight, operand) && takes_part(weight, operand, part) && (operand != Precision::e4m3 || arch != Arch::sm80))
            keys[count++] = {arch, weight, operand, part};
  return keys;
}();
static_assert(all_mma_keys.back().arch == Arch::sm90a, "vernier::cuda::all_mma_keys: the array is larger than what fills it");

/// The three kernels of a key.
struct MmaKernels {
  /// Up to 8 tokens, one instruction's worth: memory decides. Four groups of warps along k, each with a ring of its own and no barrier but
  /// __syncwarp. nf4 takes 64 rows a warp, because what a step costs besides decoding is shared by them (3.4 instructions a weight; with 32
  /// rows 4.1, and H100 has 4.9 at its memory's pace); others need not, and have twice the warps from the same rows.
  /// Two blocks fit a multiprocessor on sm80 and sm90a: 48 KiB of nf4 weights are then on their way, where 2 TB/s and 600 ns ask for 11.
  static constexpr MmaConfig few(const MmaKey& key) {
    MmaConfig c = of(key);
    c.row_tiles = key.weight == Precision::nf4 ? 4 : 2;
    c.token_tiles = 1;
    c.warps_k = 4;
    c.stages = key.arch == Arch::sm89 || bits(key.weight) == 16 ? 3 : 4;
    return c;
  }
  /// Up to 32 tokens: memory still decides, and activations take as much of the way from L2 as weights. So 128 rows share them, and blocks
  /// share tiles instead of warps; of 16-bit weights, which are twice as much of the way, 64.
  static constexpr MmaConfig some(const MmaKey& key) {
    MmaConfig c = of(key);
    const bool wide = bits(key.weight) == 16;
    c.row_tiles = 2;
    c.token_tiles = 4;
    c.warps_n = wide ? 2 : 4;
    c.warps_k = wide ? 2 : 1;
    c.stages = wide ? 3 : 4;
    return c;
  }
  /// More: the tensor cores decide, and registers how large a tile can be. A sum is held twice, of the segment and of those before it; with
  /// a scale every few columns three times, so that a warp has 32 x 32 of them instead of 64 x 32.
  static constexpr MmaConfig many(const MmaKey& key) {
    MmaConfig c = of(key);
    const bool large = c.promoted() == 0 && bits(key.weight) == bits(key.operand);
    c.row_tiles = large ? 4 : 2;
    c.token_tiles = 4;
    c.warps_n = large ? 2 : 4;
    c.warps_m = large ? 4 : 2;
    c.warps_k = 1;
    c.stages = bits(key.weight) == 16 ? 3 : 4;
    return c;
  }

 private:
  static constexpr MmaConfig of(const MmaKey& key) {
    return {.arch = key.arch, .weight = key.weight, .operand = key.operand, .part = key.part};
  }
};

struct DefaultMmaTable {
  static constexpr auto rules = [] {
    std::array<MmaRule, 3 * all_mma_keys.size()> rules{};
    for (std::size_t i = 0; i < all_mma_keys.size(); ++i) {
      rules[3 * i] = {MmaKernels::few(all_mma_keys[i]), 8};
      rules[3 * i + 1] = {MmaKernels::some(all_mma_keys[i]), 32};
      rules[3 * i + 2] = {MmaKernels::many(all_mma_keys[i])};
    }
    return rules;
  }();
};
static_assert(has_catch_all<DefaultMmaTable>(all_mma_keys),
              "vernier::cuda::DefaultMmaTable: each (arch, weight, operand, part) needs a last rule without max_m");
static_assert(all_reachable<DefaultMmaTable>(),
              "vernier::cuda::DefaultMmaTable: a rule stands behind one of its key that takes as many tokens");

}  // namespace vernier::cuda
