// Is a product right? Sums in double on the device, from the codes that the kernel under test read, against a bound that is derived from
// the formats. Before anything is timed.
#pragma once

#include <cmath>
#include <cstdint>

#include "cuda/gemm_call.cuh"
#include "vernier/ops/packed_rows.cuh"

namespace vernier::bench {

/// What rounding one weight does at most, as a multiple of itself or, for codes that are looked up in steps, of its scale.
struct WeightNoise {
  double relative = 0, of_scale = 0;
};

/// What the kernels make of weights: nf4 is rounded to steps of 1/127 of its absmax, or to f16; all others are exact.
inline WeightNoise noise_of(const GemmCall& c) {
  if (c.w.format.precision != Precision::nf4) return {};
  return c.exact_nf4 ? WeightNoise{0x1p-11, 0} : WeightNoise{0, 0.5 / 127};
}

struct GemmCheckArgs {
  cuda::WeightView w;
  Precision operand, result;
  const void* x;
  const float* x_scales;
  const void* y;
  const int* features;  // 0, 1, 2, ...
  const int* tokens;    // which rows of y are looked at
  int num_tokens;
  WeightNoise noise;
  float* excess;  // (tokens, n): distance from the right result, in bounds
};

/// A thread for each feature, a row of blocks for each token.
///
/// The bound is eight standard deviations of a sum of independent roundings of weights, each even in its interval (1 / sqrt 3 of its
/// largest), plus a worst case for the sums: products are exact, and each of k additions loses at most 2^-23 of a partial sum (tensor cores
/// truncate), which a random walk keeps below four of its deviations. e4m3 products are added with 13 bits by some tensor cores, 32 at a
/// time, before they are moved to float registers. Last the result is rounded.
template <Precision P>
struct GemmCheck {
  using Args = GemmCheckArgs;
  static constexpr int threads = 128, shared_bytes = 0;

  __device__ static void run(const Args& args, unsigned char*) {
    const int feature = static_cast<int>(blockIdx.x) * threads + static_cast<int>(threadIdx.x), index = static_cast<int>(blockIdx.y);
    if (feature >= args.w.n) return;
    const cuda::PackedRows<P> rows{args.w, args.features};
    const int token = args.tokens[index];
    double sum = 0, squares = 0, noise = 0;
    for (int col = 0; col < args.w.k; col += MmaTile::run) {
      float weight[MmaTile::run];
      rows.load(feature, col, weight);
      const float scale = args.noise.of_scale == 0 ? 0.0f : scale_at(args.w, feature, col);
      for (int i = 0; i < MmaTile::run && col + i < args.w.k; ++i) {
        const double x = decode(args.operand, args.x, static_cast<std::int64_t>(token) * args.w.k + col + i), product = x * weight[i];
        const double rounding = args.noise.relative * product + args.noise.of_scale * scale * x;
        sum += product;
        squares += product * product;
        noise += rounding * rounding;
      }
    }
    const double x_scale = args.x_scales == nullptr ? 1.0 : static_cast<double>(args.x_scales[token]);
    const double additions = (args.operand == Precision::e4m3 ? args.w.k / 32 * 0x1p-13 : 0.0) + args.w.k * 0x1p-23;
    const double want = x_scale * sum, last = args.result == Precision::bf16 ? 0x1p-8 : 0x1p-11;
    const double bound = x_scale * (8 * sqrt(noise / 3) + 4 * additions * sqrt(squares)) + last * fabs(want) + 0x1p-24;
    const double got = decode(args.result, args.y, static_cast<std::int64_t>(token) * args.w.n + feature);
    args.excess[static_cast<std::int64_t>(index) * args.w.n + feature] = static_cast<float>(fabs(got - want) / bound);
  }

 private:
  __device__ static float scale_at(const cuda::WeightView& w, int row, int col) {
    const int group = w.scale_group == 0 ? 0 : col / w.scale_group;
    return w.scales == nullptr ? 1.0f : w.scales[MmaTile::scale_index(row, group, w.scale_groups)];
  }
  __device__ static double decode(Precision p, const void* codes, std::int64_t at) {
    switch (p) {
      case Precision::f16: return static_cast<double>(static_cast<const f16*>(codes)[at].decode());
      case Precision::bf16: return static_cast<double>(static_cast<const bf16*>(codes)[at].decode());
      case Precision::i8: return static_cast<double>(static_cast<const i8*>(codes)[at].decode());
      default: return static_cast<double>(static_cast<const e4m3*>(codes)[at].decode());
    }
  }
};

}  // namespace vernier::bench
