// GEMM of packed weights on the tensor cores of sm_80 and newer: y = epilogue(x * w^T), with w decoded on its way from shared memory to
// registers. One kernel for every batch: with 8 tokens it is a matrix-vector product that lives off memory bandwidth, with 64 and more it
// lives off the tensor cores. The entry for host code is packed_gemm.cuh; docs/cuda.md counts its bytes and instructions.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "vernier/core/math.hpp"
#include "vernier/cuda/block.cuh"
#include "vernier/gemm/decode.cuh"
#include "vernier/gemm/gated.cuh"
#include "vernier/gemm/mma_stage.cuh"
#include "vernier/gemm/mma_sums.cuh"
#include "vernier/policy/epilogue.hpp"

namespace vernier::cuda {

/// x: (m, k), w: (n, k), y: (m, n), or (m, n / 2) for a gated product. Rows of x are 16-byte aligned.
template <class X, class Y, class E>
struct PackedGemmArgs {
  MatrixView<const X> x;
  const float* x_scales = nullptr;  // (m), of 8-bit activations
  WeightView w{};
  MatrixView<Y> y;
  SplitMemory split{};
  E epilogue{};
};

/// One tile of y: tokens along blockIdx.x, features along blockIdx.y, a share of the segments along blockIdx.z. The weights are the A
/// operand of the products, 16 features, and the tokens the B operand, so that 8 tokens fill an instruction.
template <MmaConfig C, class Y, class E = Identity>
class MmaGemm {
  static_assert(check<C>(), "vernier::cuda::MmaGemm: a config that check() refuses");
  static constexpr bool gated = GatedEpilogue<E>;
  static_assert(gated || std::is_invocable_r_v<float, const E&, float, int, int>,
                "vernier::cuda::MmaGemm: the epilogue must be callable as e(x, row, col), or as e(gate, up, row, col)");
  static_assert(!gated || (C.row_tiles % 2 == 0 && C.owned() % 2 == 0),
                "vernier::cuda::MmaGemm: a gated product needs row_tiles in pairs, and two results a thread; lower warps_k");

 public:
  using X = typename MmaStage<C>::X;
  using Args = PackedGemmArgs<X, Y, E>;
  static constexpr Arch arch = C.arch;
  static constexpr int threads = C.threads(), shared_bytes = C.shared_bytes(), tile_n = C.tile_n(), tile_m = C.tile_m();

  __device__ static void run(const Args& args, unsigned char* shared) {
    MmaGemm block(args, shared);
    block.multiply();
    if (block.sums_.complete()) block.store();
  }

 private:
  using Stage = MmaStage<C>;
  using Sum = std::conditional_t<C.operand == Precision::i8, int, float>;  // of the tensor cores
  static constexpr int stages = C.stages, warps_k = C.warps_k, group_threads = C.group_threads(), group_bytes = C.group_bytes();
  static constexpr int row_tiles = C.row_tiles, token_tiles = C.token_tiles;
  static constexpr int row_pitch = C.row_pitch(), ring_bytes = C.ring_bytes(), tile_bytes = MmaTile::tile_bytes(C.weight),
                       promoted = C.promoted();
  static constexpr bool stores_rows = C.stores_rows(), scaled = C.scaled(), narrow = bits(C.operand) == 8;
  static constexpr float unit = narrow ? 1.0f : WeightDecoder<C.weight, C.exact_nf4>::unit;

  __device__ MmaGemm(const Args& args, unsigned char* shared)
      : args_(args),
        shared_(shared),
        group_(of_warp(static_cast<int>(threadIdx.x) / group_threads)),
        lane_(static_cast<int>(threadIdx.x) % 32),
        warp_(of_warp(static_cast<int>(threadIdx.x) % group_threads / 32)),
        col_tiles_((args.w.k + MmaTile::cols - 1) / MmaTile::cols),
        segments_((col_tiles_ + segment_tiles - 1) / segment_tiles),
        first_segment_(static_cast<int>(blockIdx.z) * args.split.segments_per_block),
        last_segment_(first_segment_ + args.split.segments_per_block < segments_ ? first_segment_ + args.split.segments_per_block
                                                                                 : segments_),
        end_tile_(last_segment_ * segment_tiles < col_tiles_ ? last_segment_ * segment_tiles : col_tiles_),
        ring_(shared + group_ * group_bytes),
        stage_(args.x, args.w, first_token(), first_feature() / MmaTile::rows),
        sums_(shared + ring_bytes, args.split, first_segment_, last_segment_, segments_) {}

  // Not members: what only the beginning and the end need is not to be kept in registers between them.
  __device__ __forceinline__ static int first_token() { return static_cast<int>(blockIdx.x) * tile_m; }
  __device__ __forceinline__ static int first_feature() { return static_cast<int>(blockIdx.y) * tile_n; }

  /// A number that all lanes of a warp have, made known to the compiler as such.
  __device__ __forceinline__ static int of_warp(int number) { return threads == 32 ? 0 : __shfl_sync(0xffffffffu, number, 0); }

  /// Every group of warps goes through segments of its own, 64 columns a step.
  __device__ __forceinline__ void multiply() {
    int ahead = (first_segment_ + group_) * segment_tiles, tile = ahead, filled = 0, slot = 0;  // the next to load, and to compute
    const auto load = [&] {
      if (ahead < end_tile_) stage_.load(ring_ + filled * (warps_k * group_bytes), ahead);
      cp_async_commit();  // an empty group behind the last step, so that the wait counts on as before
      ahead = next_tile(ahead);
      filled = next_slot(filled);
    };
    for (int i = 0; i < stages - 1; ++i) load();
    for (int segment = first_segment_; segment < last_segment_; segment += warps_k) {
#pragma unroll 1
      for (int i = 0; i < segment_tiles; ++i) {
        cp_async_wait<stages - 2>();
        sync_group();  // this step's stage is there for all of the group, and all have done with the one that is filled next
        load();
        if (tile < end_tile_) compute(ring_ + slot * (warps_k * group_bytes), tile);
        tile = next_tile(tile);
        slot = next_slot(slot);
      }
      end_segment(segment);
    }
    cp_async_wait<0>();
  }

  /// Behind the last 64 columns of a segment come those of the group's next one.
  __device__ __forceinline__ static int next_tile(int tile) {
    return (tile + 1) % segment_tiles != 0 ? tile + 1 : tile + 1 + (warps_k - 1) * segment_tiles;
  }
  __device__ __forceinline__ static int next_slot(int slot) { return slot + 1 == stages ? 0 : slot + 1; }

  __device__ __forceinline__ void sync_group() const {
    if constexpr (group_threads == 32)
      __syncwarp();
    else if constexpr (warps_k == 1)
      __syncthreads();
    else
      bar_sync(1 + group_, group_threads);
  }

  /// Shared memory to registers to tensor cores. Loops over registers are unrolled: an index known only at run time would put them in
  /// memory.
  __device__ __forceinline__ void compute(const unsigned char* stage, int tile) {
    const unsigned char* weights = stage + warp_ % C.warps_n * row_tiles * tile_bytes;
    const unsigned char* x = stage + Stage::weight_bytes;
    const float* scales = reinterpret_cast<const float*>(x + Stage::x_bytes) + warp_ % C.warps_n * row_tiles * Stage::scale_slots * 16;
    WeightTile<C.weight, C.exact_nf4> w[row_tiles];
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      std::uint32_t tokens[token_tiles][narrow ? 2 : 4];
#pragma unroll
      for (int i = 0; i < token_tiles; ++i) {
        const int row = 8 * (warp_ / C.warps_n * token_tiles + i) + lane_ / 4, in_row = (32 * j + 8 * (lane_ % 4)) * (narrow ? 1 : 2);
        ld_shared(tokens[i], x + Stage::XTile::offset(row, in_row));
      }
#pragma unroll
      for (int i = 0; i < row_tiles; ++i) {
        w[i].load(weights + i * tile_bytes, lane_, j);
        multiply_row_tile(w[i], j, tokens, products_[i]);
      }
      if constexpr (promoted == 32) promote(scales + 16 * j);
    }
    if constexpr (promoted == 64) promote(scales);
    if constexpr (promoted == 128)
      if (tile % 2 == 1 || tile + 1 == col_tiles_) promote(scales);
  }

  template <class W, int Registers>
  __device__ __forceinline__ void multiply_row_tile(const W& w, int j, const std::uint32_t (&tokens)[token_tiles][Registers],
                                                    Sum (&sums)[token_tiles][4]) const {
    if constexpr (narrow) {
      std::uint32_t a[4];
      w.operand8(a);
#pragma unroll
      for (int i = 0; i < token_tiles; ++i) add_product(sums[i], a, tokens[i]);
    } else {
      std::uint32_t a[2][4];
      w.operands(decoder_, j, a);
#pragma unroll
      for (int s = 0; s < 2; ++s)
#pragma unroll
        for (int i = 0; i < token_tiles; ++i) add_product(sums[i], a[s], {tokens[i][2 * s], tokens[i][2 * s + 1]});
    }
  }

  __device__ __forceinline__ static void add_product(Sum (&sum)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    if constexpr (C.operand == Precision::i8)
      mma_m16n8k32_s8(sum, a, b);
    else if constexpr (C.operand == Precision::e4m3)
      mma_m16n8k32_e4m3(sum, a, b);
    else if constexpr (C.operand == Precision::bf16)
      mma_m16n8k16_bf16(sum, a, b);
    else
      mma_m16n8k16_f16(sum, a, b);
  }

  /// Moves the sums of a part of the columns to those of the segment, through their scale.
  __device__ __forceinline__ void promote(const float* scales) {
#pragma unroll
    for (int i = 0; i < row_tiles; ++i) {
      const float* scale = scales + i * Stage::scale_slots * MmaTile::rows + lane_ / 4;
      const float factor[2] = {scaled ? scale[0] : 1, scaled ? scale[8] : 1};
#pragma unroll
      for (int j = 0; j < token_tiles; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          segment_[i][j][e] = fmaf(static_cast<float>(products_[i][j][e]), factor[e / 2], segment_[i][j][e]);
          products_[i][j][e] = 0;
        }
    }
  }

  __device__ __forceinline__ void end_segment(int segment) {
    float sums[MmaResults<C>::count];
#pragma unroll
    for (int i = 0; i < row_tiles; ++i)
#pragma unroll
      for (int j = 0; j < token_tiles; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          auto& sum = [&]() -> auto& {
            if constexpr (promoted != 0)
              return segment_[i][j][e];
            else
              return products_[i][j][e];
          }
          ();
          sums[MmaResults<C>::number(i, j, e)] = static_cast<float>(sum);
          sum = 0;
        }
    sums_.add(sums, segment);
  }

  /// Sums to global memory, through their scales and the epilogue.
  __device__ __forceinline__ void store() {
    if constexpr (stores_rows)
      store_rows();
    else
      sums_.for_each([&](const auto& place, int o) {
        if (gated && o % 2 == 1) return;  // its gate, which stands before it, stores both
        store(first_token() + place.token, first_feature() + place.feature, sums_.total(o), gated ? sums_.total(o + 1) : 0);
      });
  }

  /// Many sums of a thread go through shared memory: a loop over what lies there needs few registers, and writes whole rows.
  __device__ __forceinline__ void store_rows() {
    float* tile = reinterpret_cast<float*>(shared_);
    __syncthreads();  // all have done with the ring
    sums_.for_each([&](const auto& place, int o) { tile[place.token * row_pitch + place.feature] = sums_.total(o); });
    __syncthreads();
    constexpr int columns = gated ? tile_n / 2 : tile_n;
    for (int i = static_cast<int>(threadIdx.x); i < tile_m * columns; i += threads) {
      const int token = i / columns, col = i % columns, feature = gated ? col / MmaTile::rows * MmaTile::rows + col : col;
      const float* sum = tile + token * row_pitch + feature;
      store(first_token() + token, first_feature() + feature, *sum, gated ? sum[MmaTile::rows] : 0);
    }
  }

  /// One result, of the sum of `feature` and, for a gated product, of the feature a row tile behind it.
  __device__ __forceinline__ void store(int token, int feature, float sum, float gated_sum) const {
    if (token >= args_.y.rows || feature >= args_.w.n) return;
    const float value = finished(sum, token, feature);
    if constexpr (gated) {
      const int col = feature / (2 * MmaTile::rows) * MmaTile::rows + feature % MmaTile::rows;
      put(token, col, args_.epilogue(value, finished(gated_sum, token, feature + MmaTile::rows), token, col));
    } else {
      put(token, feature, args_.epilogue(value, token, feature));
    }
  }

  __device__ __forceinline__ float finished(float sum, int token, int feature) const {
    float factor = unit;
    if constexpr (!scaled)
      if (args_.w.scales != nullptr) factor *= args_.w.scales[feature];
    float value = sum * factor;
    if constexpr (narrow) value *= args_.x_scales[token];
    return value;
  }

  __device__ __forceinline__ void put(int token, int col, float value) const {
    if constexpr (std::is_same_v<Y, f16>)
      args_.y(token, col) = Y{static_cast<std::uint16_t>(cvt_f16x2(value, 0))};
    else if constexpr (std::is_same_v<Y, bf16>)
      args_.y(token, col) = Y{static_cast<std::uint16_t>(cvt_bf16x2(value, 0))};
    else if constexpr (std::is_same_v<Y, float>)
      args_.y(token, col) = value;
    else
      args_.y(token, col) = Y::encode(value);
  }

  const Args& args_;
  unsigned char* shared_;
  int group_, lane_, warp_;  // the warp within its group
  int col_tiles_, segments_, first_segment_, last_segment_, end_tile_;
  unsigned char* ring_;
  Stage stage_;
  MmaSums<C> sums_;
  WeightDecoder<C.weight, C.exact_nf4> decoder_;
  Sum products_[row_tiles][token_tiles][4] = {};
  float segment_[promoted != 0 ? row_tiles : 1][promoted != 0 ? token_tiles : 1][4] = {};
};

}  // namespace vernier::cuda
