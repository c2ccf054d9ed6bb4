// What a product is measured on, in the device's memory: copies of a random matrix that are read in turn, activations, results; and the
// check that a result is right.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cuda/gemm_check.cuh"
#include "cuda/plan.hpp"
#include "cuda/random_codes.cuh"
#include "cuda/row_major.cuh"
#include "cuda/worst.cuh"
#include "vernier/cuda/memory.cuh"
#include "vernier/cuda/stream.cuh"
#include "vernier/ops/elementwise.cuh"

namespace vernier::bench {

/// The same matrix several times, each at a place of its own.
class WeightCopies {
 public:
  WeightCopies(Arch arch, int n, int k, const WeightFormat& format, int copies, const cuda::OwnedStream& stream)
      : shape_(n, k, format), copies_(copies), memory_(stride() * static_cast<std::size_t>(copies)) {
    const cuda::WeightView first = view(0);
    const auto scales_at =
        first.scales == nullptr ? bytes() : static_cast<std::size_t>(reinterpret_cast<const std::uint8_t*>(first.scales) - first.codes);
    const float unit = format.precision == Precision::i8 ? 1.0f / 64 : 1.0f;
    fill_codes(arch, memory_.data(), first.tile().total_bytes(), format.precision, 1, stream);
    fill_scales(arch, reinterpret_cast<float*>(memory_.data() + scales_at), (bytes() - scales_at) / sizeof(float), unit, 2, stream);
    if (format.scaling == Scaling::block) share_block_scales(first, stream);
    for (int copy = 1; copy < copies; ++copy)
      cuda::runtime::copy(memory_.data() + stride() * static_cast<std::size_t>(copy), memory_.data(), bytes(), stream);
    stream.synchronize();
  }

  int copies() const { return copies_; }
  std::size_t bytes() const { return shape_.memory().size(); }
  cuda::WeightView view(int copy) const { return shape_.view(memory_.data() + stride() * static_cast<std::size_t>(copy % copies_)); }

 private:
  std::size_t stride() const { return round_up(bytes(), std::size_t{1024}); }
  /// Rows of a block share their scales. Only the first of each 128 was asked for, but all are stored.
  void share_block_scales(const cuda::WeightView& w, const cuda::OwnedStream& stream) {
    const std::size_t count = MmaTile::scale_index(w.tile().row_tiles() * MmaTile::rows, 0, w.scale_groups);
    std::vector<float> scales(count);
    cuda::download(w.scales, std::span<float>(scales), stream);
    stream.synchronize();
    for (int row = 0; row < w.tile().row_tiles() * MmaTile::rows; ++row)
      for (int group = 0; group < w.scale_groups; ++group)
        scales[MmaTile::scale_index(row, group, w.scale_groups)] = scales[MmaTile::scale_index(row / 128 * 128, group, w.scale_groups)];
    cuda::upload(std::span<const float>(scales), const_cast<float*>(w.scales), stream);
    stream.synchronize();
  }

  cuda::PackedWeights shape_;  // where things lie; its own memory is never touched
  int copies_;
  cuda::DeviceBuffer<std::uint8_t> memory_;
};

/// Activations, results, and what the kernels need beside them.
class GemmOperands {
 public:
  GemmOperands(Arch arch, int processors, int most_tokens, int n, int k, const cuda::OwnedStream& stream)
      : arch_(arch),
        stream_(&stream),
        x_(size(most_tokens, k) * 2),
        y_(size(most_tokens, n) * 2),
        x_scales_(size(most_tokens, 1)),
        partials_(std::size_t{1} << 20),
        counters_(1 << 14),
        features_(size(n, 1)),
        most_tokens_(most_tokens) {
    std::vector<int> features(features_.size());
    std::iota(features.begin(), features.end(), 0);
    cuda::upload(std::span<const int>(features), features_.data(), stream);
    cuda::runtime::fill(counters_.data(), 0, counters_.size_bytes(), stream);
    fill_scales(arch, x_scales_.data(), x_scales_.size(), 1.0f / 64, 4, stream);
    stream.synchronize();
    workspace_ = {partials_.data(), partials_.size(), counters_.data(), counters_.size(), 2 * processors};
  }

  /// Fills x, and makes y NaN in every format.
  GemmCall call(const GemmFormat& format, const cuda::WeightView& w, int m) {
    expect(m >= 1 && m <= most_tokens_, "bench.cuda.gemm", "m = ", m, ", expected 1 to ", most_tokens_);
    fill_codes(arch_, x_.data(), size(m, w.k) * static_cast<std::size_t>(bits(format.operand)) / 8, format.operand, 3, *stream_);
    forget_result();
    return {w,
            format.operand,
            format.exact_nf4,
            x_.data(),
            bits(format.operand) == 8 ? x_scales_.data() : nullptr,
            y_.data(),
            m,
            {.arch = arch_, .workspace = workspace_, .stream = *stream_}};
  }

  void forget_result() {
    cuda::runtime::fill(y_.data(), 0xff, y_.size_bytes(), *stream_);
    stream_->synchronize();
  }

  const int* features() const { return features_.data(); }

  /// How far y is from the right result, in bounds; above 1 is wrong, and so is NaN. All features, of up to 32 tokens, of which one is the
  /// last. with_scales: y has the scales of x in it.
  double worst(const GemmCall& c, const WeightNoise& noise, bool with_scales = true) const {
    std::vector<int> tokens;
    const int wanted = std::min(c.m, 32);
    for (int i = 1; i <= wanted; ++i) tokens.push_back(static_cast<int>(static_cast<long long>(c.m) * i / wanted) - 1);
    cuda::DeviceBuffer<int> which(tokens.size());
    cuda::DeviceBuffer<float> excess(tokens.size() * static_cast<std::size_t>(c.w.n));
    cuda::upload(std::span<const int>(tokens), which.data(), *stream_);
    const GemmCheckArgs args{c.w,          c.operand, c.result(), c.x,          with_scales ? c.x_scales : nullptr, c.y, features_.data(),
                             which.data(), wanted,    noise,      excess.data()};
    const cuda::Grid grid{static_cast<unsigned>(ceil_div(c.w.n, 128)), static_cast<unsigned>(wanted)};
    visit_precision(c.w.format.precision, [&]<Precision P>() { cuda::launch_on<GemmCheck<P>>(arch_, grid, args, *stream_); });
    return worst_of(excess, *stream_);
  }

 private:
  static std::size_t size(int rows, int cols) { return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols); }

  Arch arch_;
  const cuda::OwnedStream* stream_;
  cuda::DeviceBuffer<std::uint8_t> x_, y_;
  cuda::DeviceBuffer<float> x_scales_, partials_;
  cuda::DeviceBuffer<int> counters_, features_;
  cuda::GemmWorkspace workspace_;
  int most_tokens_;
};

}  // namespace vernier::bench
