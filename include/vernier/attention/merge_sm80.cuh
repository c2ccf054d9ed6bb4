// Puts the states of splits together, in ascending order of keys, as a block that sees all of them does.
#pragma once

#include <cmath>
#include <cstddef>

#include "vernier/attention/cuda_tables.hpp"
#include "vernier/attention/output.cuh"
#include "vernier/attention/row_weights.cuh"
#include "vernier/attention/states.hpp"
#include "vernier/kv/batch_tables.hpp"

namespace vernier::cuda {

struct MergeArgs {
  KvBatchView batch;
  AttentionShape shape;
  const AttentionMerge* merges;
  const int* num_merges;
  AttentionStates states;
  AttentionOutput out;
  int head_dim;
};

/// The grid is (any number, kv_heads). A warp merges a row at a time, a lane four neighbours of it: each state is read once.
struct MergeStates {
  using Args = MergeArgs;
  static constexpr int threads = 128, shared_bytes = 0;

  __device__ static void run(const Args& args, unsigned char*) {
    const int count = *args.num_merges, warp = static_cast<int>(threadIdx.x) / 32;
    for (int i = static_cast<int>(blockIdx.x); i < count; i += static_cast<int>(gridDim.x)) {
      const AttentionMerge merge = args.merges[i];
      for (int row = warp; row < merge.rows; row += threads / 32) merge_row(args, merge, row);
    }
  }

 private:
  __device__ __forceinline__ static void merge_row(const Args& args, const AttentionMerge& merge, int row) {
    const int d = 4 * (static_cast<int>(threadIdx.x) % 32), head = static_cast<int>(blockIdx.y);
    if (d >= args.head_dim) return;
    const auto first =
        static_cast<std::size_t>(head) * static_cast<std::size_t>(args.states.rows) + static_cast<std::size_t>(merge.state + row);
    OnlineSoftmax total;
    Vector<float, 4> acc{};
    for (int split = 0; split < merge.splits; ++split) {
      const std::size_t at = first + static_cast<std::size_t>(split) * static_cast<std::size_t>(merge.stride);
      const OnlineSoftmax state = args.states.states[at];
      const auto x = load_vector<float, 4>(args.states.acc + at * static_cast<std::size_t>(args.head_dim) + d);
      const MergeFactors f = merge_states(total, state);
#pragma unroll
      for (int e = 0; e < 4; ++e) acc.at[e] = fmaf(x.at[e], f.theirs, __fmul_rn(acc.at[e], f.mine));
    }
    const float inverse = total.inverse_sum();
#pragma unroll
    for (int e = 0; e < 4; ++e) acc.at[e] = __fmul_rn(acc.at[e], inverse);
    const KvBatchChunk chunk = args.batch.chunks[merge.chunk];
    const int group = args.shape.group, in_chunk = merge.row + row;
    args.out.store(chunk.row + in_chunk / group, (head * group + in_chunk % group) * args.head_dim + d, acc);
  }
};

}  // namespace vernier::cuda
