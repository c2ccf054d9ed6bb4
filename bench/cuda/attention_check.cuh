// Is attention right? In double on the device, key by key, from the codes that the kernel under test read.
#pragma once

#include <cmath>
#include <cstdint>

#include "vernier/core/matrix_view.hpp"
#include "vernier/cuda/isa.cuh"
#include "vernier/kv/layout.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier::bench {

/// A row that is looked at: a token of a sequence.
struct CheckedRow {
  int row = 0;         // of q and out
  int first_page = 0;  // of its sequence, in the table
  int keys = 0;        // that it sees
};

struct AttentionCheckArgs {
  KvLayout layout;
  const std::uint8_t* memory;
  int layer, group;
  const CheckedRow* rows;
  const int* pages;
  MatrixView<const float> q;
  MatrixView<const f16> out;
  MatrixView<double> scores;  // (checked rows * query heads, most keys): scratch
  float* excess;              // (checked rows, query heads, head_dim): distance from the right result, in bounds
};

/// A block for each query head (x) of each row (y); a thread for so many keys, then for an element of the result.
///
/// The bound: queries are rounded to 16 bits, which makes a score wrong by eight standard deviations of a sum of independent roundings at
/// the most; so a weight exp(score) is, relatively, and the sum of weights. Weights, with the scales of values, are rounded twice more.
/// The result is a mean of values by these weights, then rounded to f16.
template <Precision P>
struct AttentionCheck {
  using Args = AttentionCheckArgs;
  static constexpr int threads = 128, shared_bytes = threads * 8;
  static constexpr double epsilon = P == Precision::bf16 ? 0x1p-8 : 0x1p-11;

  __device__ static void run(const Args& args, unsigned char* shared) {
    auto* const noises = reinterpret_cast<double*>(shared);
    const int t = static_cast<int>(threadIdx.x), head = static_cast<int>(blockIdx.x), dim = args.layout.geometry.head_dim;
    const CheckedRow row = args.rows[blockIdx.y];
    double* const scores = args.scores.row(static_cast<int>(blockIdx.y * gridDim.x + blockIdx.x));
    const float* const q = args.q.row(row.row) + head * dim;
    const double scale = 1 / sqrt(static_cast<double>(dim));
    double noise = 0;  // the largest sum of squares
    for (int key = t; key < row.keys; key += threads) {
      double sum = 0, squares = 0;
      for (int d = 0; d < dim; ++d) {
        const double product = element(args, row, head, key, d, false) * q[d] * scale;
        sum += product;
        squares += product * product;
      }
      scores[key] = sum;
      noise = fmax(noise, squares);
    }
    noises[t] = noise;
    __syncthreads();
    if (t < dim) mean(args, row, head, scores, noises);
  }

 private:
  /// Element d of the result.
  __device__ static void mean(const Args& args, const CheckedRow& row, int head, const double* scores, const double* noises) {
    const int d = static_cast<int>(threadIdx.x), dim = args.layout.geometry.head_dim;
    double largest = scores[0], noise = 0, weights = 0, sum = 0, sizes = 0;
    for (int i = 0; i < threads; ++i) noise = fmax(noise, noises[i]);
    for (int key = 1; key < row.keys; ++key) largest = fmax(largest, scores[key]);
    for (int key = 0; key < row.keys; ++key) {
      const double weight = exp(scores[key] - largest), value = element(args, row, head, key, d, true);
      weights += weight;
      sum += weight * value;
      sizes += weight * fabs(value);
    }
    const double score_error = 8 * epsilon * sqrt(noise / 3), want = sum / weights;
    const double bound = sizes / weights * (2 * score_error + 3 * epsilon) + 0x1p-11 * fabs(want) + 0x1p-24;
    const double got = static_cast<double>(args.out.row(row.row)[head * dim + d].decode());
    args.excess[static_cast<std::int64_t>(blockIdx.y * gridDim.x + blockIdx.x) * dim + d] = static_cast<float>(fabs(got - want) / bound);
  }

  __device__ static double element(const Args& args, const CheckedRow& row, int head, int key, int d, bool of_value) {
    const int tokens = args.layout.config.page_tokens, slot = key % tokens;
    const ConstKvRun run = args.layout.run_in(args.memory, args.layer, head / args.group, args.pages[row.first_page + key / tokens]);
    const auto* const codes = reinterpret_cast<const CodeOf<P>*>(of_value ? run.values : run.keys);
    const auto code = codes[slot * args.layout.geometry.head_dim + d];
    double scale = 1;
    if constexpr (has_kv_scale(P)) scale = static_cast<double>((of_value ? run.value_scales : run.key_scales)[slot]);
    return static_cast<double>(TypeOf<P>{static_cast<decltype(TypeOf<P>::bits)>(code)}.decode()) * scale;
  }
};

}  // namespace vernier::bench
