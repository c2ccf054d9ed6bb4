// What a CUDA GEMM of packed weights is made for, as a value: the template argument of its Block and the content of the routing tables.
#pragma once

#include "vernier/layout/mma_tile.hpp"
#include "vernier/policy/arch.hpp"
#include "vernier/types/precision.hpp"

namespace vernier::cuda {

/// Columns whose products are summed in one chain. A sum over k is made of such segments, added in ascending order, in every kernel: so it
/// is the same to the bit however many warps and blocks share it, and a token's result does not depend on its batch.
inline constexpr int segment_columns = 512;
inline constexpr int segment_tiles = segment_columns / MmaTile::cols;

/// What a problem must share with a kernel's config.
struct MmaKey {
  Arch arch = Arch::sm80;
  Precision weight = Precision::f16;
  Precision operand = Precision::f16;  // what weights and activations are multiplied as: f16 or bf16, or i8 or e4m3 with such activations
  int part = 0;                        // see MmaConfig
  friend constexpr bool operator==(const MmaKey&, const MmaKey&) = default;
};

/// A warp computes 16 row_tiles features by 8 token_tiles tokens; a block is warps_n by warps_m such warps, warps_k times over, each time
/// with segments of its own. `stages` steps of 64 columns are on their way to shared memory or in it.
/// Structural: equal values are one instantiation. New fields go last, with a default.
struct MmaConfig {
  Arch arch = Arch::sm80;
  Precision weight = Precision::f16;
  Precision operand = Precision::f16;
  int part =
      0;  // columns that share a scale, which is applied to their sum: 32, 64 or, for e4m3 products, 128; 0: no scale, or one per row
  int row_tiles = 2, token_tiles = 1;
  int warps_n = 1, warps_m = 1, warps_k = 4;
  int stages = 4;
  bool exact_nf4 = false;  // values of nf4 rounded to f16, instead of to 1/127

  constexpr MmaKey key() const { return {arch, weight, operand, part}; }
  constexpr int tile_n() const { return MmaTile::rows * row_tiles * warps_n; }
  constexpr int tile_m() const { return 8 * token_tiles * warps_m; }
  constexpr int group_threads() const { return 32 * warps_n * warps_m; }  // that share segments
  constexpr int threads() const { return group_threads() * warps_k; }
  constexpr int owned() const { return 4 * row_tiles * token_tiles / warps_k; }  // results a thread finishes and stores
  /// Columns after which a sum of products is moved to float registers: e4m3 sums lose bits in the tensor cores of some devices.
  constexpr int promoted() const { return operand == Precision::e4m3 ? 128 : part; }
  constexpr bool scaled() const { return part != 0; }

  /// Bytes of one group of warps in one stage.
  constexpr int weight_bytes() const { return row_tiles * warps_n * MmaTile::tile_bytes(weight); }
  constexpr int x_bytes() const { return tile_m() * MmaTile::cols * bits(operand) / 8; }
  constexpr int scale_slots() const { return part == 0 ? 0 : part == 32 ? 2 : 1; }
  constexpr int scale_bytes() const { return row_tiles * warps_n * scale_slots() * MmaTile::rows * 4; }
  constexpr int group_bytes() const { return weight_bytes() + x_bytes() + scale_bytes(); }
  constexpr int ring_bytes() const { return stages * warps_k * group_bytes(); }
  /// Where sums of different segments meet.
  constexpr int exchange_bytes() const { return warps_k == 1 ? 16 : warps_k * tile_n() * tile_m() * 4; }
  /// Whether results pass through the ring's memory on their way out, as rows of floats four longer than the tile: then neither the threads
  /// that write eight features of four tokens at once nor those that read a row meet a bank conflict.
  constexpr bool stores_rows() const { return owned() >= 16; }
  constexpr int row_pitch() const { return tile_n() + 4; }
  constexpr int rows_bytes() const { return stores_rows() ? tile_m() * row_pitch() * 4 : 0; }
  constexpr int shared_bytes() const {
    const int computing = ring_bytes() + exchange_bytes();
    return computing > rows_bytes() ? computing : rows_bytes();
  }
  friend constexpr bool operator==(const MmaConfig&, const MmaConfig&) = default;
};

/// Shared memory that a block may ask for.
constexpr int max_shared_bytes(Arch arch) { return (arch == Arch::sm80 ? 163 : arch == Arch::sm89 ? 99 : 227) << 10; }

/// Whether weights are multiplied so at all.
constexpr bool multiplies(Precision weight, Precision operand) {
  if (weight == Precision::bf16) return operand == Precision::bf16;
  if (operand == Precision::i8 || operand == Precision::e4m3) return weight == operand;
  return operand == Precision::f16 && weight != Precision::f32;
}

/// Whether sums of `part` columns may have a scale of their own.
constexpr bool takes_part(Precision weight, Precision operand, int part) {
  switch (weight) {
    case Precision::f16:
    case Precision::bf16: return part == 0;
    case Precision::nf4: return part == 64;
    case Precision::i8: return part == 0 || part == 32 || part == 64;
    default: return part == 0 || part == (operand == Precision::e4m3 ? 128 : 64);
  }
}

template <int Need, int Have>
struct ring_fits_shared_memory {
  static_assert(Need <= Have, "vernier::cuda::gemm: <bytes of all stages, bytes of shared memory>: lower stages, warps_k or a tile");
  static constexpr bool holds = true;
};

/// Refuses, with the reason, a config that cannot work.
template <MmaConfig C>
constexpr bool check() {
  static_assert(is_cuda(C.arch), "vernier::cuda::gemm: arch must be sm80, sm89 or sm90a");
  static_assert(multiplies(C.weight, C.operand),
                "vernier::cuda::gemm: bf16 weights are multiplied as bf16, all others as f16; i8 and e4m3 also as what they are");
  static_assert(C.operand != Precision::e4m3 || C.arch != Arch::sm80, "vernier::cuda::gemm: products of e4m3 are for sm89 and newer");
  static_assert(takes_part(C.weight, C.operand, C.part),
                "vernier::cuda::gemm: part is 64 for nf4; 0, 32 or 64 for i8; 0 or 64 for fp8 (128 in products of e4m3); else 0");
  static_assert(C.row_tiles >= 1 && C.token_tiles >= 1 && C.row_tiles * C.token_tiles <= 16,
                "vernier::cuda::gemm: a warp holds at most 64 sums a thread: row_tiles x token_tiles from 1 to 16");
  static_assert(4 * C.row_tiles * C.token_tiles % C.warps_k == 0,
                "vernier::cuda::gemm: warps_k must divide the 4 x row_tiles x token_tiles sums of a thread");
  static_assert(C.warps_k <= 8 && C.threads() <= 1024, "vernier::cuda::gemm: at most 8 groups along k, and 32 warps");
  static_assert(C.stages >= 2, "vernier::cuda::gemm: at least two stages, one to read and one to fill");
  static_assert(!C.exact_nf4 || C.weight == Precision::nf4, "vernier::cuda::gemm: exact_nf4 is for nf4 weights");
  static_assert(ring_fits_shared_memory<C.shared_bytes(), max_shared_bytes(C.arch)>::holds, "vernier::cuda::gemm: too much shared memory");
  return true;
}

}  // namespace vernier::cuda
