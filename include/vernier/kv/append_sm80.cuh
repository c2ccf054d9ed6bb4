// The kernel that writes a batch to the KV cache of a CUDA device: rotation of queries and keys, quantisation, and the scatter into pages.
// append.cuh is its entry.
#pragma once

#include <cstdint>

#include "vernier/core/matrix_view.hpp"
#include "vernier/cuda/isa.cuh"
#include "vernier/cuda/vector.cuh"
#include "vernier/kv/batch_tables.hpp"
#include "vernier/kv/layout.hpp"
#include "vernier/kv/rotary_view.hpp"
#include "vernier/kv/row_scale.hpp"

namespace vernier::cuda {

struct AppendArgs {
  KvLayout layout;
  std::uint8_t* memory;
  int layer;
  KvBatchView batch;
  MatrixView<float> q;        // (rows, heads * head_dim), turned in place; heads may be 0
  MatrixView<const float> k;  // (rows, kv_heads * head_dim)
  MatrixView<const float> v;
  RotaryView rotary;  // in device memory
};

/// A warp does one head of one row: of q, k or v, in this order. A lane holds four neighbours of each 128 elements. Rounding is that of
/// vernier::append, to the bit: products and sums of the rotation are rounded one by one.
template <Precision P>
class Append {
 public:
  using Args = AppendArgs;
  static constexpr int threads = 128, shared_bytes = 0, warps = threads / 32;

  /// Blocks beyond the rows of the batch have nothing to do.
  __device__ static void run(const Args& args, unsigned char*) {
    const int row = static_cast<int>(blockIdx.x), warp = static_cast<int>(blockIdx.y) * warps + static_cast<int>(threadIdx.x) / 32;
    const int dim = args.layout.geometry.head_dim, kv_heads = args.layout.geometry.kv_heads, heads = args.q.cols / dim;
    if (row >= *args.batch.num_rows || warp >= heads + 2 * kv_heads) return;
    const KvBatchChunk chunk = args.batch.chunks[args.batch.row_chunks[row]];
    const int position = chunk.first + row - chunk.row;
    Append append(args, position, args.batch.pages[chunk.first_page + position / args.layout.config.page_tokens]);
    if (warp < heads)
      append.turn_query(args.q.row(row) + warp * dim);
    else if (warp < heads + kv_heads)
      append.write_key(args.k.row(row) + (warp - heads) * dim, warp - heads);
    else
      append.write_value(args.v.row(row) + (warp - heads - kv_heads) * dim, warp - heads - kv_heads);
  }

 private:
  static constexpr int most = 2;  // fours of a lane: head_dim is at most 256
  using Four = Vector<float, 4>;
  using Code = CodeOf<P>;

  __device__ Append(const Args& args, int position, int page)
      : args_(args), position_(position), page_(page), dim_(args.layout.geometry.head_dim), lane_(static_cast<int>(threadIdx.x) % 32) {}

  __device__ __forceinline__ void turn_query(float* x) {
    if (args_.rotary.half == 0) return;
    turn(x);
    __syncwarp();  // a lane reads what another one writes
    for_fours([&](int i, int d) {
      if (d < 2 * args_.rotary.half) store_vector(x + d, x_[i]);
    });
  }

  __device__ __forceinline__ void write_key(const float* x, int head) {
    turn(x);
    const KvRun run = this->run_of(head);
    encode(run.keys, run.key_scales);
  }

  __device__ __forceinline__ void write_value(const float* x, int head) {
    for_fours([&](int i, int d) { x_[i] = load_vector<float, 4>(x + d); });
    const KvRun run = this->run_of(head);
    encode(run.values, run.value_scales);
  }

  __device__ __forceinline__ KvRun run_of(int head) const { return args_.layout.run_in(args_.memory, args_.layer, head, page_); }

  /// Calls f(i, d) for each four of the lane, of elements [d, d + 4).
  template <class F>
  __device__ __forceinline__ void for_fours(const F& f) const {
#pragma unroll
    for (int i = 0; i < most; ++i)
      if (const int d = 4 * lane_ + 128 * i; d < dim_) f(i, d);
  }

  /// x_ = the head at x, turned to the position; elements d and d + half are a pair.
  __device__ __forceinline__ void turn(const float* x) {
    const int half = args_.rotary.half;
    for_fours([&](int i, int d) {
      x_[i] = load_vector<float, 4>(x + d);
      if (d >= 2 * half) return;
      const bool first = d < half;
      const Four other = load_vector<float, 4>(first ? x + d + half : x + d - half);
      const Four cos = load_vector<float, 4>(args_.rotary.cos_row(position_) + (first ? d : d - half));
      const Four sin = load_vector<float, 4>(args_.rotary.sin_row(position_) + (first ? d : d - half));
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const float mine = __fmul_rn(x_[i].at[e], cos.at[e]), across = __fmul_rn(other.at[e], sin.at[e]);
        x_[i].at[e] = first ? __fsub_rn(mine, across) : __fadd_rn(mine, across);
      }
    });
  }

  /// Writes x_ to the token's row of codes, and its scale if the format has one.
  __device__ __forceinline__ void encode(std::uint8_t* codes, float* scales) const {
    vernier::detail::KvRowScale scale;
    if constexpr (has_kv_scale(P)) {
      unsigned largest = 0;  // magnitudes are in order as integers, infinity and NaN on top
      for_fours([&](int i, int) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const unsigned magnitude = __float_as_uint(x_[i].at[e]) & 0x7fffffffu;
          largest = magnitude > largest ? magnitude : largest;
        }
      });
      scale = vernier::detail::kv_row_scale<P>(bits_float(__reduce_max_sync(0xffffffffu, largest)));
    }
    const int slot = position_ % args_.layout.config.page_tokens;
    Code* const row = reinterpret_cast<Code*>(codes) + slot * dim_;
    for_fours([&](int i, int d) {
      Vector<Code, 4> four;
#pragma unroll
      for (int e = 0; e < 4; ++e) four.at[e] = vernier::detail::encode_kv<P>(x_[i].at[e], scale);
      store_vector(row + d, four);
    });
    if (has_kv_scale(P) && lane_ == 0) scales[slot] = scale.scale;
  }

  const Args& args_;
  int position_, page_, dim_, lane_;
  Four x_[most] = {};
};

}  // namespace vernier::cuda
