// The ring of stages of a GEMM of packed weights: what a group of warps has in shared memory of one step of 64 columns, and how it gets
// there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "vernier/core/matrix_view.hpp"
#include "vernier/cuda/isa.cuh"
#include "vernier/gemm/mma_config.hpp"
#include "vernier/layout/mma_weights.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier::cuda {

/// Rows of activations in shared memory, 64 elements each. A lane reads 8 elements of a row at once, 16 or 8 bytes; the lanes that shared
/// memory serves together, of two or four rows, must find them in different banks. So halves of a row change places in every second row of
/// 16-bit elements, and in every second pair of rows of 8-bit ones.
template <int ElementBytes>
struct ActivationTile {
  static constexpr int row_bytes = MmaTile::cols * ElementBytes, chunks = row_bytes / 16;

  /// Where byte `in_row` of a row lies.
  VERNIER_HD static constexpr int offset(int row, int in_row) {
    return row * row_bytes + (in_row ^ (row / (ElementBytes == 2 ? 1 : 2) % 2 * (row_bytes / 2)));
  }
};

/// What one group of warps reads: row tiles from first_row_tile on of w, and tokens from first_token on of x. Each thread makes the same
/// copies in every step, so that what does not change with the step is kept: where its first copy of each kind comes from.
template <MmaConfig C>
class MmaStage {
 public:
  using X = TypeOf<C.operand>;
  using XTile = ActivationTile<sizeof(X)>;
  static constexpr int weight_bytes = C.weight_bytes(), x_bytes = C.x_bytes(), group_bytes = C.group_bytes();
  static constexpr int tile_bytes = MmaTile::tile_bytes(C.weight), scale_slots = C.scale_slots();
  static constexpr bool scaled = C.scaled();

  __device__ MmaStage(MatrixView<const X> x, const WeightView& w, int first_token, int first_row_tile)
      : thread_(static_cast<int>(threadIdx.x) % threads) {
    const MmaTile tile{C.weight, w.n, w.k};
    last_row_ = tile.row_tiles() - 1 - first_row_tile;
    row_tile_bytes_ = static_cast<std::uint32_t>(tile.row_tile_bytes());
    weights_ = w.codes + static_cast<std::size_t>(first_row_tile) * tile.row_tile_bytes() + 16 * (thread_ % weight_chunks);
    tokens_ = x.rows - first_token;
    x_bytes_of_row_ = static_cast<int>(sizeof(X)) * x.cols;
    x_stride_ = static_cast<std::uint32_t>(x.stride) * static_cast<std::uint32_t>(sizeof(X));
    x_ = reinterpret_cast<const unsigned char*>(x.row(first_token)) + 16 * (thread_ % XTile::chunks);
    if constexpr (weights_once) policy_ = evict_first_policy();
    if constexpr (scaled) {
      scale_shift_ = __ffs(w.scale_group) - 1;  // groups are powers of two
      const int row = first_row_tile + present(thread_ / scale_chunks);
      scales_ = w.scales + MmaTile::scale_index(MmaTile::rows * row, 0, w.scale_groups) + 4 * (thread_ % scale_chunks);
    }
  }

  /// Starts the copies of columns [64 col_tile, ...) to `stage`, which has group_bytes.
  __device__ __forceinline__ void load(unsigned char* stage, int col_tile) const {
    load_weights(stage, col_tile);
    load_x(stage + weight_bytes, col_tile);
    if constexpr (scaled) load_scales(stage + weight_bytes + x_bytes, col_tile);
  }

 private:
  static constexpr int threads = C.group_threads(), row_tiles = C.row_tiles * C.warps_n, tile_m = C.tile_m();
  static constexpr int weight_chunks = tile_bytes / 16, scale_chunks = scale_slots == 0 ? 4 : 4 * scale_slots;
  static constexpr bool weights_once = tile_m <= 32;  // few tokens are one tile, and no other block reads these weights
  static_assert(weight_chunks % threads == 0 || threads % weight_chunks == 0, "vernier::cuda::MmaStage: threads share row tiles evenly");
  static_assert(threads % XTile::chunks == 0 && threads % scale_chunks == 0, "vernier::cuda::MmaStage: threads share rows evenly");
  static_assert(row_tiles * scale_chunks <= threads, "vernier::cuda::MmaStage: one copy of scales a thread");

  /// Behind the last row tile the last one is read again, for features that nobody stores.
  __device__ __forceinline__ int present(int row) const { return row < last_row_ ? row : last_row_; }

  __device__ __forceinline__ void load_weights(unsigned char* to, int col_tile) const {
    const unsigned char* from = weights_ + static_cast<std::uint32_t>(col_tile) * static_cast<std::uint32_t>(tile_bytes);
#pragma unroll
    for (int i = 0; i < row_tiles * weight_chunks; i += threads) {
      const int row = thread_ / weight_chunks + i / weight_chunks, chunk = i % weight_chunks;  // chunks behind the thread's own
      if (row_tiles * weight_chunks % threads != 0 && row >= row_tiles) break;
      unsigned char* target = to + 16 * (thread_ % weight_chunks) + row * tile_bytes + 16 * chunk;
      const unsigned char* source = from + static_cast<std::uint32_t>(present(row)) * row_tile_bytes_ + 16 * chunk;
      if constexpr (weights_once)
        cp_async_cg(target, source, 16, policy_);
      else
        cp_async_cg(target, source);
    }
  }

  /// What lies outside of x becomes zero, and adds nothing.
  __device__ __forceinline__ void load_x(unsigned char* to, int col_tile) const {
    const int chunk = thread_ % XTile::chunks, first = col_tile * XTile::row_bytes;
    const int tokens = first + 16 * chunk < x_bytes_of_row_ ? tokens_ : 0;
#pragma unroll
    for (int i = 0; i < tile_m * XTile::chunks; i += threads) {
      const int row = thread_ / XTile::chunks + i / XTile::chunks;
      if (tile_m * XTile::chunks % threads != 0 && row >= tile_m) break;
      const unsigned char* source = x_ + (static_cast<std::uint32_t>(row) * x_stride_ + static_cast<std::uint32_t>(first));
      cp_async_cg_or_zero(to + XTile::offset(row, 16 * chunk), source, row < tokens);
    }
  }

  /// Sixteen scales for each row tile and part of the columns.
  __device__ __forceinline__ void load_scales(unsigned char* to, int col_tile) const {
    if (thread_ < row_tiles * scale_chunks)
      cp_async_cg(to + 16 * thread_, scales_ + ((col_tile * MmaTile::cols >> scale_shift_) * MmaTile::rows));
  }

  int thread_, last_row_, tokens_, x_bytes_of_row_, scale_shift_ = 0;
  std::uint32_t row_tile_bytes_, x_stride_;
  const unsigned char *weights_, *x_;
  const float* scales_ = nullptr;
  CachePolicy policy_{};
};

}  // namespace vernier::cuda
