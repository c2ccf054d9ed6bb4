// What an attention kernel of CUDA is made for, as a value: the template argument of its Block.
#pragma once

#include "vernier/core/macros.hpp"
#include "vernier/kv/config.hpp"

namespace vernier::cuda {

/// Keys between two looks at the maximum of a row, and between two cuts of the sum over keys. The same for every kernel, since results
/// depend on them: a step is what one ldmatrix.x4 takes, and a split is that of the CPU.
inline constexpr int attention_step_keys = 32, attention_split_keys = 256;

/// A warp has 16 query rows; the warps of a block share the keys, of which `stages` steps are in shared memory. Structural: equal values
/// are one instantiation. New fields go last, with a default.
struct AttentionConfig {
  Precision precision = Precision::f16;  // of the cache
  int head_dim = 128;
  int warps = 1;   // one for decode, where a row tile is the heads of one token; four for prefill
  int stages = 3;  // two are enough where two blocks of four warps share a multiprocessor

  VERNIER_HD constexpr int threads() const { return 32 * warps; }
  VERNIER_HD constexpr int rows() const { return 16 * warps; }
  VERNIER_HD constexpr int code_bytes() const { return bits(precision) / 8; }
  /// Chunks of 16 bytes of a key or value.
  VERNIER_HD constexpr int row_chunks() const { return head_dim * code_bytes() / 16; }
  /// Bytes from one row to the next in shared memory: an odd number of chunks, so that the eight rows that ldmatrix reads at once lie in
  /// eight different sixteenths of the 128 bytes that shared memory serves together.
  VERNIER_HD constexpr int row_stride() const { return 16 * (row_chunks() | 1); }
  /// Keys, values, and then the scales of both.
  VERNIER_HD constexpr int tile_bytes() const { return attention_step_keys * row_stride(); }
  VERNIER_HD constexpr int stage_bytes() const { return 2 * tile_bytes() + (has_kv_scale(precision) ? 2 * attention_step_keys * 4 : 0); }
  /// Of each warp: the sum over the splits so far.
  VERNIER_HD constexpr int total_bytes() const { return 16 * head_dim * 4; }
  VERNIER_HD constexpr int shared_bytes() const { return stages * stage_bytes() + warps * total_bytes(); }
  friend constexpr bool operator==(const AttentionConfig&, const AttentionConfig&) = default;
};

/// Head sizes that kernels are made for. A warp keeps its queries and a sum of 16 x head_dim in registers, 3 / 4 * head_dim a thread.
constexpr bool is_attention_head_dim(int n) { return n == 64 || n == 80 || n == 96 || n == 128; }

/// Refuses, with the reason, a config that cannot work.
template <AttentionConfig C>
constexpr bool check() {
  static_assert(is_kv_precision(C.precision), "vernier::cuda::attention: precision must be f16, bf16, i8, e4m3 or e5m2");
  static_assert(is_attention_head_dim(C.head_dim),
                "vernier::cuda::attention: head_dim must be 64, 80, 96 or 128 (a thread holds 3 / 4 * head_dim sums and queries in at most "
                "255 registers)");
  static_assert(C.warps >= 1 && C.warps <= 8, "vernier::cuda::attention: warps must be 1 to 8");
  static_assert(C.stages >= 2, "vernier::cuda::attention: at least two stages, one to read and one to fill");
  static_assert(C.shared_bytes() <= 99 << 10, "vernier::cuda::attention: the stages exceed 99 KiB, which a block may have on every device");
  return true;
}

}  // namespace vernier::cuda
