// The attention kernel: warps of 16 query rows each that share the keys of one kv head, which cp.async brings in stages of 32. What a warp
// does with them is in warp_tile.cuh; attention.cuh is the entry, and merge_sm80.cuh puts split sums together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vernier/attention/cuda_tables.hpp"
#include "vernier/attention/output.cuh"
#include "vernier/attention/states.hpp"
#include "vernier/attention/warp_tile.cuh"
#include "vernier/core/matrix_view.hpp"
#include "vernier/kv/batch_tables.hpp"
#include "vernier/kv/layout.hpp"

namespace vernier::cuda {

struct AttentionArgs {
  KvLayout layout;
  const std::uint8_t* memory;
  int layer;
  KvBatchView batch;
  AttentionShape shape;
  const AttentionUnit* units;
  const int* num_units;
  MatrixView<const float> q;  // (rows, kv_heads * group * head_dim)
  AttentionOutput out;
  AttentionStates states;
  float scale;  // of scores, as powers of two
};

/// The grid is (any number, kv_heads). A block takes units, one after the other. Bytes of a unit: rows of keys and of values and their
/// scales, once, and its share of q and of the result. With 16-bit codes and head_dim = 128 that is 512 bytes a key, for which memory takes
/// some 50 clocks of a multiprocessor of sm_80 and the two products of each warp 16 clocks of a quarter of it. So decode waits for memory
/// alone, as long as enough is in flight: 16 KiB a stage.
template <AttentionConfig C>
class AttentionSm80 {
  static_assert(check<C>(), "vernier::cuda::AttentionSm80: a config that check() refuses");

 public:
  using Args = AttentionArgs;
  static constexpr int threads = C.threads(), shared_bytes = C.shared_bytes(), least_blocks = 1;

  __device__ static void run(const Args& args, unsigned char* shared) {
    const int count = *args.num_units;
    for (int i = static_cast<int>(blockIdx.x); i < count; i += static_cast<int>(gridDim.x)) {
      AttentionSm80 block(args, shared, i);
      block.add_keys();
      block.store();
    }
  }

 private:
  using Tile = WarpTile<C>;
  static constexpr int step_keys = attention_step_keys, split_steps = attention_split_keys / step_keys, stages = C.stages;
  static constexpr int row_bytes = 16 * C.row_chunks();

  __device__ AttentionSm80(const Args& args, unsigned char* shared, int index)
      : args_(args),
        shared_(shared),
        index_(index),
        unit_(args.units[index]),
        chunk_(args.batch.chunks[unit_.chunk]),
        whole_(unit_.split == all_splits),
        thread_(static_cast<int>(threadIdx.x)),
        tile_(warp_rows(), args.shape.mask()) {
    const RowPositions positions = RowPositions::of(chunk_.first, chunk_.count, args.shape.group, unit_.row, C.rows());
    int begin = args.shape.mask().first_key(positions.first), end = args.shape.mask().end_key(positions.last);
    if (!whole_) {
      begin = max_of(begin, unit_.split * attention_split_keys);
      end = min_of(end, (unit_.split + 1) * attention_split_keys);
    }
    first_step_ = begin / step_keys;
    end_step_ = ceil_div(end, step_keys);
    run_bytes_ = static_cast<unsigned>(args.layout.run_bytes());
    keys_ = args.memory + args.layout.run(args.layer, head(), 0);
    pages_of_chunk_ = args.batch.pages + chunk_.first_page;
  }

  /// The number of the warp, by a shuffle, from which the compiler sees that it is the same for all lanes: where they may part, shuffles
  /// cost more instructions.
  __device__ __forceinline__ static int warp() {
    return C.warps == 1 ? 0 : __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x) / 32, 0);
  }

  /// The kv head.
  __device__ __forceinline__ static int head() { return static_cast<int>(blockIdx.y); }

  __device__ static int max_of(int a, int b) { return a > b ? a : b; }
  __device__ static int min_of(int a, int b) { return a < b ? a : b; }

  /// Row r of the lane's two, counted in the chunk.
  __device__ __forceinline__ int lane_row(int r) const { return unit_.row + 16 * warp() + thread_ % 32 / 4 + 8 * r; }
  __device__ __forceinline__ int rows() const { return chunk_.count * args_.shape.group; }

  __device__ __forceinline__ typename Tile::Rows warp_rows() const {
    const auto positions = [&](int row, int count) { return RowPositions::of(chunk_.first, chunk_.count, args_.shape.group, row, count); };
    const RowPositions all = positions(unit_.row + 16 * warp(), 16);
    return {all.first, all.last, {positions(lane_row(0), 1).first, positions(lane_row(1), 1).first}};
  }

  /// Where a row of the chunk begins in q or the result: the row of the token, and the column.
  struct Place {
    int row, col;
  };
  __device__ __forceinline__ Place place(int row) const {
    const int group = args_.shape.group;
    return {chunk_.row + row / group, (head() * group + row % group) * C.head_dim};
  }

  __device__ __forceinline__ void add_keys() {
    for (int i = 0; i < stages - 1; ++i) load(first_step_ + i);
    const float* queries[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const Place at = place(lane_row(r));
      queries[r] = lane_row(r) < rows() ? args_.q.row(at.row) + at.col : nullptr;
    }
    tile_.load_queries(queries, args_.scale);
    for (int step = first_step_; step < end_step_; ++step) {
      cp_async_wait<stages - 2>();
      meet();  // this step's stage is there for all, and all have done with the one that is filled next
      load(step + stages - 1);
      tile_.add_step(shared_ + (step - first_step_) % stages * C.stage_bytes(), step * step_keys);
      if (step + 1 == end_step_ || (step + 1) % split_steps == 0) {
        tile_.end_split();
        if (whole_) tile_.merge_split(total());
      }
    }
    cp_async_wait<0>();
    meet();  // before the next unit fills a stage
  }

  __device__ __forceinline__ float* total() const {
    return reinterpret_cast<float*>(shared_ + stages * C.stage_bytes() + thread_ / 32 * C.total_bytes());
  }

  __device__ __forceinline__ static void meet() {
    if constexpr (C.warps == 1)
      __syncwarp();
    else
      __syncthreads();
  }

  /// Global to shared. A step lies within a page. Behind the last step the group is empty, so that the wait counts on as before.
  __device__ __forceinline__ void load(int step) {
    if (step < end_step_) {
      unsigned char* const stage = shared_ + (step - first_step_) % stages * C.stage_bytes();
      const int page_tokens = args_.layout.config.page_tokens, slot = step * step_keys % page_tokens;
      const std::uint8_t* const run = keys_ + static_cast<std::size_t>(page_of(step)) * run_bytes_;
      load_rows(stage, run + slot * row_bytes);
      load_rows(stage + C.tile_bytes(), run + (page_tokens + slot) * row_bytes);
      if constexpr (has_kv_scale(C.precision)) {
        constexpr int chunks = step_keys * 4 / 16;  // of the keys' scales, and then of the values'
        const int scales = 2 * page_tokens * row_bytes + slot * 4 + (thread_ < chunks ? 0 : page_tokens * 4 - 16 * chunks);
        if (thread_ < 2 * chunks) cp_async_cg(stage + 2 * C.tile_bytes() + 16 * thread_, run + scales + 16 * thread_);
      }
    }
    cp_async_commit();
  }

  /// 32 rows, which follow each other in memory.
  __device__ __forceinline__ void load_rows(unsigned char* tile, const std::uint8_t* from) const {
    constexpr int chunks = C.row_chunks(), all = step_keys * chunks;
#pragma unroll
    for (int at = 0; at < all; at += threads) {
      const int i = at + thread_;
      if (all % threads == 0 || i < all) cp_async_cg(tile + i / chunks * C.row_stride() + i % chunks * 16, from + 16 * i);
    }
  }

  /// The page of a step. The lanes of a warp read those of 32 steps at once, so that a load rarely waits for the table.
  __device__ __forceinline__ int page_of(int step) {
    const int ahead = (step - first_step_) % 32;
    if (ahead == 0) {
      const int mine = min_of(step + thread_ % 32, end_step_ - 1);
      pages_ = pages_of_chunk_[mine * step_keys / args_.layout.config.page_tokens];
    }
    return __shfl_sync(0xffffffffu, pages_, ahead);
  }

  /// Registers to global memory: the result, or the state of a split.
  __device__ __forceinline__ void store() {
    unit_ = args_.units[index_];  // again: these were not worth registers meanwhile
    chunk_ = args_.batch.chunks[unit_.chunk];
    if (whole_) tile_.take_total(total());
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int row = lane_row(r);
      if (row >= rows()) continue;
      if (whole_) {
        const Place at = place(row);
        tile_.for_result(r, [&](int d, const auto& x) { args_.out.store(at.row, at.col + d, x); });
      } else {
        const auto state = static_cast<std::size_t>(head()) * static_cast<std::size_t>(args_.states.rows) +
                           static_cast<std::size_t>(unit_.state + row - unit_.row);
        if (thread_ % 4 == 0) args_.states.states[state] = tile_.state(r);
        tile_.for_accumulator(r, [&](int d, const auto& x) { store_vector(args_.states.acc + state * C.head_dim + d, x); });
      }
    }
  }

  const Args& args_;
  unsigned char* shared_;
  int index_;
  AttentionUnit unit_;
  KvBatchChunk chunk_;
  bool whole_;
  int thread_;
  Tile tile_;
  int first_step_, end_step_, pages_ = 0;
  unsigned run_bytes_;
  const std::uint8_t* keys_;
  const int* pages_of_chunk_;
};

}  // namespace vernier::cuda
