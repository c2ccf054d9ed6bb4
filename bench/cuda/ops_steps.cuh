// What a layer does between its products, at the widths of a model, and the choice of a token: each as a name, its bytes, its launch and
// the check of what it leaves.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cuda/plan.hpp"
#include "cuda/random_codes.cuh"
#include "vernier/cuda/memory.cuh"
#include "vernier/cuda/stream.cuh"
#include "vernier/ops/elementwise.cuh"
#include "vernier/ops/quantize_rows.cuh"
#include "vernier/ops/reference.hpp"
#include "vernier/ops/rmsnorm.cuh"
#include "vernier/ops/sample.cuh"

namespace vernier::bench {

struct Step {
  std::string name;
  double bytes = 0;  // read and written at least
  std::function<void()> launch;
  std::function<double()> worst;  // distance from the right result in bounds, after one launch; above 1 is wrong, and so is NaN
};

/// The larger, or infinity where either is no number.
inline double worse(double a, double b) { return a >= b || std::isnan(a) ? (std::isnan(a) ? INFINITY : a) : std::isnan(b) ? INFINITY : b; }

/// Steps for `tokens` tokens on one device of architecture A. What is checked is the last row.
template <Arch A>
class OpsSteps {
 public:
  static constexpr float epsilon = 1e-5f;

  OpsSteps(const ModelShape& model, int tokens, const cuda::OwnedStream& stream)
      : model_(model),
        tokens_(tokens),
        stream_(&stream),
        x_(size(widest())),
        other_(size(widest())),
        weight_(static_cast<std::size_t>(widest())),
        out_(size(widest()) * 2),
        scales_(static_cast<std::size_t>(tokens)) {
    fill_codes(A, x_.data(), x_.size_bytes(), Precision::f32, 1, stream);
    fill_codes(A, other_.data(), other_.size_bytes(), Precision::f32, 2, stream);
    fill_scales(A, weight_.data(), weight_.size(), 1, 3, stream);
    stream.synchronize();
  }

  std::vector<Step> steps() {
    const int h = model_.hidden, f = model_.ffn;
    const double rows = tokens_;
    const auto x = [this](int cols) { return view<const float>(x_, cols); };
    std::vector<Step> all;
    all.push_back({"rms_norm to f16", rows * h * 6, [=, this] { cuda::rms_norm<A>(x(h), weight_.data(), epsilon, halves(h), stream()); },
                   [=, this] { return worst_halves(normed(row(x_, h)), h); }});
    all.push_back({"rms_norm to i8", rows * h * 5, [=, this] { cuda::rms_norm<A>(x(h), weight_.data(), epsilon, codes(h), stream()); },
                   [=, this] { return worst_codes(normed(row(x_, h)), h); }});
    all.push_back({"quantize_rows f32 to i8", rows * f * 5, [=, this] { cuda::quantize_rows<A>(x(f), codes(f), stream()); },
                   [=, this] { return worst_codes(row(x_, f), f); }});
    all.push_back({"swiglu to f16", rows * f * 10, [=, this] { cuda::swiglu<A>(x(f), view<const float>(other_, f), halves(f), stream()); },
                   [=, this] { return worst_halves(gated(row(x_, f), row(other_, f)), f); }});
    // The last one writes to what it reads, so that it is checked against what was there before.
    const std::vector<double> before = row(x_, h), delta = row(other_, h);
    all.push_back({"add_rms_norm to f16", rows * h * 14,
                   [=, this] {
                     cuda::add_rms_norm<A>(view<float>(x_, h), view<const float>(other_, h), weight_.data(), epsilon, halves(h), stream());
                   },
                   [=, this] {
                     std::vector<double> sum(before);
                     for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += delta[i];
                     return worst_halves(normed(sum), h);
                   }});
    return all;
  }

 private:
  int widest() const { return std::max(model_.ffn, model_.hidden); }
  std::size_t size(int cols) const { return static_cast<std::size_t>(tokens_) * static_cast<std::size_t>(cols); }
  cuda::Stream stream() const { return *stream_; }
  template <class T>
  MatrixView<T> view(cuda::DeviceBuffer<float>& buffer, int cols) const {
    return {buffer.data(), tokens_, cols};
  }
  MatrixView<f16> halves(int cols) { return {reinterpret_cast<f16*>(out_.data()), tokens_, cols}; }
  QuantizedRows<i8> codes(int cols) { return {{reinterpret_cast<i8*>(out_.data()), tokens_, cols}, scales_.data()}; }

  template <class T>
  std::vector<T> download(const T* from, std::size_t count) const {
    std::vector<T> host(count);
    cuda::download(from, std::span<T>(host), stream());
    stream_->synchronize();
    return host;
  }
  /// The last row of so many columns.
  std::vector<double> row(const cuda::DeviceBuffer<float>& buffer, int cols) const {
    const auto host = download(buffer.data() + size(cols) - static_cast<std::size_t>(cols), static_cast<std::size_t>(cols));
    return {host.begin(), host.end()};
  }
  std::vector<double> normed(const std::vector<double>& x) const {
    return reference::rms_norm(x, download(weight_.data(), x.size()), epsilon);
  }
  static std::vector<double> gated(const std::vector<double>& gate, const std::vector<double>& up) {
    std::vector<double> y(gate.size());
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = reference::silu(gate[i]) * up[i];
    return y;
  }

  // Beside the rounding of the result, a few dozen roundings of floats: of sums of squares, exp and products.
  double worst_halves(const std::vector<double>& want, int cols) {
    const auto got = download(halves(cols).row(tokens_ - 1), want.size());
    double worst = 0;
    for (std::size_t i = 0; i < want.size(); ++i)
      worst = worse(worst, std::abs(static_cast<double>(got[i].decode()) - want[i]) / (std::abs(want[i]) * (0x1p-11 + 0x1p-18) + 0x1p-24));
    return worst;
  }
  double worst_codes(const std::vector<double>& want, int cols) {
    const auto got = download(codes(cols).codes.row(tokens_ - 1), want.size());
    const double scale = static_cast<double>(download(scales_.data() + tokens_ - 1, 1)[0]);
    double worst = 0, largest = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      worst = worse(worst, std::abs(got[i].bits * scale - want[i]) / (scale * 0.5 + std::abs(want[i]) * 0x1p-18));
      largest = std::max(largest, std::abs(want[i]));
    }
    return worse(worst, std::abs(scale - largest / 127) / (scale * 0x1p-18));
  }

  ModelShape model_;
  int tokens_;
  const cuda::OwnedStream* stream_;
  cuda::DeviceBuffer<float> x_, other_, weight_;
  cuda::DeviceBuffer<std::uint8_t> out_;
  cuda::DeviceBuffer<float> scales_;
};

/// Sampling from logits of a whole vocabulary.
template <Arch A>
class SampleSteps {
 public:
  static constexpr cuda::SampleConfig config{.arch = A};

  SampleSteps(int rows, int vocabulary, const cuda::OwnedStream& stream)
      : rows_(rows),
        vocabulary_(vocabulary),
        stream_(&stream),
        logits_(static_cast<std::size_t>(rows) * static_cast<std::size_t>(vocabulary)),
        ids_(static_cast<std::size_t>(rows)),
        scratch_(cuda::sample_scratch_bytes<config>(rows, vocabulary)),
        options_(static_cast<std::size_t>(rows)) {
    fill_codes(A, logits_.data(), logits_.size_bytes(), Precision::f32, 5, stream);
    cuda::runtime::fill(scratch_.data(), 0, scratch_.size_bytes(), stream);
    std::vector<ops::SampleRow> options(static_cast<std::size_t>(rows));
    for (int i = 0; i < rows; ++i)
      options[static_cast<std::size_t>(i)] = {.temperature = 0.05f, .top_k = 40, .top_p = 0.9f, .draw = (i + 0.5) / rows};
    cuda::upload(std::span<const ops::SampleRow>(options), options_.data(), stream);
    stream.synchronize();
  }

  std::vector<Step> steps() {
    const double bytes = 4.0 * rows_ * vocabulary_;
    return {{"argmax", bytes, [this] { cuda::argmax<config>(batch(), *stream_); }, [this] { return wrong({.temperature = 0}); }},
            {"sample, top-k 40, top-p 0.9", 3 * bytes, [this] { cuda::sample<config>(batch(), *stream_); },
             [this] { return wrong({.temperature = 0.05f, .top_k = 40, .top_p = 0.9f}); }}};
  }

 private:
  cuda::SampleBatch batch() {
    return {
        .logits = {logits_.data(), rows_, vocabulary_}, .rows = options_.data(), .ids = ids_.data(), .scratch = {scratch_.data(), rows_}};
  }
  /// 0 if the token of the last row can be drawn at all, else infinity.
  double wrong(const ops::SampleOptions& options) const {
    std::vector<float> logits(static_cast<std::size_t>(vocabulary_));
    int id = -1;
    cuda::download(logits_.data() + logits_.size() - logits.size(), std::span<float>(logits), *stream_);
    cuda::download(ids_.data() + rows_ - 1, std::span<int>(&id, 1), *stream_);
    stream_->synchronize();
    return id >= 0 && id < vocabulary_ && reference::distribution(logits, options)[static_cast<std::size_t>(id)] > 0 ? 0 : INFINITY;
  }

  int rows_, vocabulary_;
  const cuda::OwnedStream* stream_;
  cuda::DeviceBuffer<float> logits_;
  cuda::DeviceBuffer<int> ids_;
  cuda::DeviceBuffer<std::uint8_t> scratch_;
  cuda::DeviceBuffer<ops::SampleRow> options_;
};

}  // namespace vernier::bench
