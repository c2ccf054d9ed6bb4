// What a CUDA GEMM kernel is made for, as a value: the template argument of its Block.
#pragma once

#include "vernier/policy/arch.hpp"

namespace vernier::cuda {

/// A block computes tile_m tokens by tile_n features, each warp warp_m by warp_n of them, tile_k columns a step, with `stages` steps in
/// shared memory. Structural: equal values are one instantiation. New fields go last, with a default.
struct GemmConfig {
  Arch arch = Arch::sm80;
  int tile_m = 64, tile_n = 64, tile_k = 32;
  int warp_m = 32, warp_n = 32;
  int stages = 3;

  constexpr int warps_n() const { return tile_n / warp_n; }
  constexpr int threads() const { return tile_m / warp_m * warps_n() * 32; }
  constexpr int stage_bytes() const { return (tile_m + tile_n) * tile_k * 2; }
  constexpr int shared_bytes() const { return stages * stage_bytes(); }
  friend constexpr bool operator==(const GemmConfig&, const GemmConfig&) = default;
};

/// Shared memory that a block may ask for.
constexpr int max_shared_bytes(Arch arch) { return (arch == Arch::sm80 ? 163 : arch == Arch::sm89 ? 99 : 227) << 10; }

template <int Need, int Have>
struct fits_shared_memory {
  static_assert(Need <= Have, "vernier::cuda::gemm: <bytes of all stages, bytes of shared memory>: lower stages or a tile");
  static constexpr bool holds = true;
};

/// Refuses, with the reason, a config that cannot work.
template <GemmConfig C>
constexpr bool check() {
  static_assert(is_cuda(C.arch), "vernier::cuda::gemm: arch must be sm80, sm89 or sm90a");
  static_assert(C.tile_k == 32 || C.tile_k == 64, "vernier::cuda::gemm: tile_k must be 32 or 64, rows of 64 or 128 bytes");
  static_assert(C.warp_m % 16 == 0 && C.warp_n % 16 == 0,
                "vernier::cuda::gemm: warp_m and warp_n must be multiples of 16 (mma.m16n8k16, in pairs)");
  static_assert(C.tile_m % C.warp_m == 0 && C.tile_n % C.warp_n == 0, "vernier::cuda::gemm: a tile must be a whole number of warp tiles");
  static_assert(C.warp_m * C.warp_n <= 64 * 64, "vernier::cuda::gemm: a warp holds at most 64 x 64 sums, 128 registers a thread");
  static_assert(C.threads() <= 1024, "vernier::cuda::gemm: more than 32 warps; make warp_m or warp_n larger");
  static_assert(C.stages >= 2, "vernier::cuda::gemm: at least two stages, one to read and one to fill");
  static_assert(fits_shared_memory<C.shared_bytes(), max_shared_bytes(C.arch)>::holds, "vernier::cuda::gemm: too much shared memory");
  return true;
}

}  // namespace vernier::cuda
