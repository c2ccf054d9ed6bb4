// GEMM of 16-bit operands on the tensor cores of sm_80 and newer: cp.async into a ring of stages, ldmatrix, mma.sync. Dense weights in
// row-major order; the kernels for quantised weights come beside it. The entry for host code is gemm.cuh.
#pragma once

#include <type_traits>

#include "vernier/core/matrix_view.hpp"
#include "vernier/cuda/block.cuh"
#include "vernier/cuda/isa.cuh"
#include "vernier/gemm/cuda_config.hpp"
#include "vernier/layout/shared_tile.hpp"
#include "vernier/policy/epilogue.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"

namespace vernier::cuda {

/// x: (m, k), w: (n, k), y: (m, n). Rows of x and w are 16-byte aligned.
template <class T, class E>
struct GemmArgs {
  MatrixView<const T> x;
  MatrixView<const T> w;
  MatrixView<float> y;
  E epilogue{};
};

/// One tile of y = epilogue(x * w^T). Sums are float and taken in the order of k, 16 columns at a time, whatever the shape: a token's
/// result does not depend on the others of its batch. Columns, rows and k may be ragged.
template <GemmConfig C, class T, Epilogue E = Identity>
class GemmSm80 {
  static_assert(check<C>(), "vernier::cuda::GemmSm80: a config that check() refuses");
  static_assert(std::is_same_v<T, f16> || std::is_same_v<T, bf16>, "vernier::cuda::GemmSm80: operands are f16 or bf16");
  static_assert(std::is_invocable_r_v<float, const E&, float, int, int>,
                "vernier::cuda::GemmSm80: the epilogue must be callable as e(x, row, col)");

 public:
  using Args = GemmArgs<T, E>;
  static constexpr Arch arch = C.arch;
  static constexpr int threads = C.threads(), shared_bytes = C.shared_bytes();

  __device__ static void run(const Args& args, unsigned char* shared) {
    GemmSm80 block(args, shared);
    block.multiply();
    block.store();
  }

 private:
  using Tile = SharedTile<C.tile_k>;
  static constexpr int stages = C.stages, warps_n = C.warps_n(), tile_k = C.tile_k;
  static constexpr int rows_of_mma = C.warp_m / 16, cols_of_mma = C.warp_n / 8;
  static constexpr int stage_bytes = C.stage_bytes(), x_bytes = C.tile_m * C.tile_k * 2;

  __device__ GemmSm80(const Args& args, unsigned char* shared)
      : args_(args),
        shared_(shared),
        first_row_(static_cast<int>(blockIdx.y) * C.tile_m),
        first_col_(static_cast<int>(blockIdx.x) * C.tile_n),
        thread_(static_cast<int>(threadIdx.x)) {}

  __device__ __forceinline__ void multiply() {
    const int steps = (args_.x.cols + tile_k - 1) / tile_k;
    for (int step = 0; step < stages - 1; ++step) load(step, steps);
    for (int step = 0; step < steps; ++step) {
      cp_async_wait<stages - 2>();
      __syncthreads();  // this step's stage is there for all, and all have done with the one that is filled next
      load(step + stages - 1, steps);
      compute(shared_ + step % stages * stage_bytes);
    }
    cp_async_wait<0>();
  }

  /// Global to shared. Behind the last step the group is empty, so that the wait counts on as before.
  __device__ __forceinline__ void load(int step, int steps) {
    if (step < steps) {
      unsigned char* stage = shared_ + step % stages * stage_bytes;
      load_tile<C.tile_m>(stage, args_.x, first_row_, step * tile_k);
      load_tile<C.tile_n>(stage + x_bytes, args_.w, first_col_, step * tile_k);
    }
    cp_async_commit();
  }

  /// What lies outside the matrix becomes zero, and adds nothing.
  template <int Rows>
  __device__ __forceinline__ void load_tile(unsigned char* tile, const MatrixView<const T>& from, int first_row, int first_col) {
    for (int i = thread_; i < Rows * Tile::chunks; i += threads) {
      const int row = i / Tile::chunks, chunk = i % Tile::chunks, col = first_col + 8 * chunk;
      const int left = first_row + row < from.rows ? 2 * (from.cols - col) : 0;  // bytes
      const int bytes = left <= 0 ? 0 : left < 16 ? left : 16;
      cp_async_cg(tile + Tile::byte_offset(row, chunk), bytes == 0 ? from.data : from.row(first_row + row) + col, bytes);
    }
  }

  /// Shared memory to registers to tensor cores. Loops over registers are unrolled: an index known only at run time would put them in
  /// memory.
  __device__ __forceinline__ void compute(const unsigned char* stage) {
    const int lane = thread_ % 32, warp = thread_ / 32;
    const int warp_row = warp / warps_n * C.warp_m, warp_col = warp % warps_n * C.warp_n;
#pragma unroll
    for (int k16 = 0; k16 < tile_k / 16; ++k16) {
      std::uint32_t x[rows_of_mma][4];
#pragma unroll
      for (int i = 0; i < rows_of_mma; ++i) ldmatrix(x[i], stage + Tile::byte_offset(warp_row + 16 * i + lane % 16, 2 * k16 + lane / 16));
#pragma unroll
      for (int j = 0; j < cols_of_mma; j += 2) {  // features 8j to 8j + 7 and the eight behind them, each with both halves of k
        std::uint32_t w[4];
        ldmatrix(w, stage + x_bytes + Tile::byte_offset(warp_col + 8 * j + lane % 8 + lane / 16 * 8, 2 * k16 + lane / 8 % 2));
#pragma unroll
        for (int i = 0; i < rows_of_mma; ++i) {
          add_product(sums_[i][j], x[i], {w[0], w[1]});
          add_product(sums_[i][j + 1], x[i], {w[2], w[3]});
        }
      }
    }
  }

  __device__ __forceinline__ static void add_product(float (&sum)[4], const std::uint32_t (&x)[4], const std::uint32_t (&w)[2]) {
    if constexpr (std::is_same_v<T, f16>)
      mma_m16n8k16_f16(sum, x, w);
    else
      mma_m16n8k16_bf16(sum, x, w);
  }

  /// Registers to global memory, through the epilogue.
  __device__ __forceinline__ void store() {
    const int lane = thread_ % 32, warp = thread_ / 32;
    const int row0 = first_row_ + warp / warps_n * C.warp_m + lane / 4, col0 = first_col_ + warp % warps_n * C.warp_n + 2 * (lane % 4);
#pragma unroll
    for (int j = 0; j < cols_of_mma; ++j)  // one column after the other, so that what an epilogue reads of it is read once
#pragma unroll
      for (int i = 0; i < rows_of_mma; ++i)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int row = row0 + 16 * i + e / 2 * 8, col = col0 + 8 * j + e % 2;
          if (row < args_.y.rows && col < args_.y.cols) args_.y(row, col) = args_.epilogue(sums_[i][j][e], row, col);
        }
  }

  const Args& args_;
  unsigned char* shared_;
  int first_row_, first_col_, thread_;
  float sums_[rows_of_mma][cols_of_mma][4] = {};
};

}  // namespace vernier::cuda
