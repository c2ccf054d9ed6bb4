// RMS norm of each head of queries or keys by itself, in place: a head to a warp.
#pragma once

#include "vernier/core/matrix_view.hpp"
#include "vernier/cuda/block.cuh"
#include "vernier/cuda/reduce.cuh"
#include "vernier/cuda/vector.cuh"

namespace vernier::cuda {

struct NormHeadsArgs {
  MatrixView<float> x;  // (t, heads * head_dim)
  const float* weight;  // (head_dim)
  float epsilon;
  int head_dim;  // a multiple of 4 up to 256
};

/// Moves 8 bytes an element, in one access of 16 bytes for each lane and 128 elements. The sum of squares is four or eight elements in a
/// lane, then a butterfly, whatever the batch.
template <Arch A>
struct NormHeads {
  static_assert(is_cuda(A), "vernier::cuda::NormHeads: arch must be sm80, sm89 or sm90a");
  using Args = NormHeadsArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 256, shared_bytes = 0, most_head_dim = 256;

  /// Heads of one block.
  static constexpr int heads = threads / 32;

  __device__ static void run(const Args& args, unsigned char*) {
    const int heads_of_row = args.x.cols / args.head_dim;
    const int head = static_cast<int>(blockIdx.x) * heads + static_cast<int>(threadIdx.x) / 32, row = head / heads_of_row;
    if (row >= args.x.rows) return;
    float* const x = args.x.row(row) + head % heads_of_row * args.head_dim;
    const int first = static_cast<int>(threadIdx.x) % 32 * 4;
    Vector<float, 4> v[2] = {};
    float squares = 0;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (first + 128 * half < args.head_dim) v[half] = load_vector<float, 4>(x + first + 128 * half);
#pragma unroll
      for (int i = 0; i < 4; ++i) squares += v[half].at[i] * v[half].at[i];
    }
    const float scale = 1.0f / sqrtf(reduce_warp(squares, Sum{}) / static_cast<float>(args.head_dim) + args.epsilon);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int at = first + 128 * half;
      if (at >= args.head_dim) continue;
      const Vector<float, 4> weight = load_vector<float, 4>(args.weight + at);
#pragma unroll
      for (int i = 0; i < 4; ++i) v[half].at[i] = v[half].at[i] * scale * weight.at[i];
      store_vector(x + at, v[half]);
    }
  }
};

}  // namespace vernier::cuda
