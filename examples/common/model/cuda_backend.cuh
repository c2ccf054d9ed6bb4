// A CUDA device as a backend of the forward: the functions of cpu_backend.hpp, each one call into the library, put into one stream. A
// decode step is recorded as a CUDA graph and replayed. Weights are made in cuda_weights.cuh, activations are those of cuda_state.cuh.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/model/cuda_graphs.cuh"
#include "common/model/cuda_outputs.cuh"
#include "common/model/cuda_products.cuh"
#include "common/model/cuda_state.cuh"
#include "common/model/cuda_weights.cuh"
#include "vernier/attention/attention.cuh"
#include "vernier/attention/precompiled.cuh"
#include "vernier/core/math.hpp"
#include "vernier/cuda/stream.cuh"
#include "vernier/kv/append.cuh"
#include "vernier/kv/cache.cuh"
#include "vernier/ops/elementwise.cuh"
#include "vernier/ops/quantize_rows.cuh"
#include "vernier/ops/rmsnorm.cuh"
#include "vernier/ops/sample.cuh"

namespace vernier::model {

/// The rows that a decode step of `tokens` sequences is launched for. Products cost the same for 1 to 8 tokens, so few sizes are recorded.
constexpr int padded_rows(int tokens) {
  if (tokens <= 2) return tokens;
  return tokens <= 64 ? round_up(tokens, tokens <= 4 ? 4 : 8) : round_up(tokens, 32);
}

/// Runs on one device of architecture A, in a stream of its own. One forward at a time.
template <Arch A>
class CudaBackend {
 public:
  using Weights = CudaWeights;
  using Cache = cuda::KvCache;
  using State = CudaState;
  using Step = CudaStep;

  /// The device is made the current one of whichever thread begins a forward.
  explicit CudaBackend(const cuda::DeviceInfo& device) : device_(device.index), partials_(std::size_t{1} << 20), counters_(1 << 14) {
    cuda::runtime::fill(counters_.data(), 0, counters_.size_bytes(), stream_);
    stream_.synchronize();
    workspace_ = {partials_.data(), partials_.size(), counters_.data(), counters_.size(), 2 * device.processors};
  }

  /// Pages in memory that the result owns.
  std::shared_ptr<cuda::KvCache> make_cache(const KvConfig& config, const KvGeometry& geometry) {
    struct Owned {
      cuda::DeviceBuffer<std::uint8_t> memory;
      cuda::KvCache cache;
      Owned(const KvConfig& c, const KvGeometry& g, cuda::Stream stream)
          : memory(cuda::KvCache::layout_for(c, g).total_bytes()), cache(c, g, memory.data(), A, stream) {}
    };
    expect_kv(config, geometry);
    const auto owned = std::make_shared<Owned>(config, geometry, stream_);
    cuda::runtime::fill(owned->memory.data(), 0, owned->memory.size_bytes(), stream_);
    stream_.synchronize();  // or it would be under way when a cache that nobody used goes
    return {owned, &owned->cache};
  }

  /// Nothing: a device has all weights before the first forward.
  void prepare(const Weights&) {}

  void reserve(State& state, int tokens, int outputs) {
    cuda::runtime::use_device(device_);
    state.reserve({.tokens = padded_rows(tokens), .outputs = padded_rows(outputs), .chunks = outputs, .pages = 0, .adjustments = 0}, 0,
                  stream_);
  }

  /// A forward of t tokens. Throws Error when the batch does not fit its pages.
  Step begin(State& state, cuda::KvCache& cache, std::span<const KvChunk> batch, int t, std::span<Output> outputs) {
    cuda::runtime::use_device(device_);
    stream_.synchronize();  // a forward that ended in an Error may have left copies behind of what grows now; otherwise there is nothing to
                            // wait for
    const auto chunks = static_cast<int>(batch.size()), o = static_cast<int>(outputs.size());
    const bool decode = t == chunks && t == o && t > 0;
    const int rows = decode ? padded_rows(t) : t;
    int pages = 0, positions = 0, adjustments = 0;
    for (const KvChunk& chunk : batch) {
      pages += cache.pages_for(chunk.first + chunk.count);
      positions = std::max(positions, chunk.first + chunk.count);
    }
    for (const Output& output : outputs)
      if (output.sampler != nullptr) adjustments += static_cast<int>(output.sampler->most_adjustments());
    state.reserve({rows, decode ? rows : o, chunks, pages, adjustments}, positions, stream_);
    return state.begin(cache, batch, rows, outputs, decode, stream_);
  }

  /// out(i) = row ids[i] of the table, looked up on the host: a token needs one row, and the device's memory is dear.
  void embed(const Embedding& table, std::span<const int> ids, MatrixView<float> out) {
    const std::size_t values = ids.size() * static_cast<std::size_t>(out.cols);
    embedded_.reserve_discard(values);
    table.look_up(ids, MatrixView<float>(embedded_.data(), static_cast<int>(ids.size()), out.cols), nullptr);
    cuda::upload(std::span<const float>(embedded_.data(), values), out.data, stream_);
  }

  /// Does `work`, from its first launch to the results on the host: by calling it, or by replaying what it did the last time.
  template <class Work>
  void run(State& state, const Step& step, Work&& work) {
    if (step.decode)
      graphs_.run({step.hidden.rows, step.cache->memory(), step.cache->config(), step.cache->num_pages(), merges(step)}, state.version(),
                  stream_, work);
    else
      work();
    outputs_.fetch(step, stream_);
  }

  /// out(i) = row rows[i] of x.
  void gather(const MatrixView<float>& x, const CudaIndices& rows, const MatrixView<float>& out) {
    cuda::gather_rows<A>(MatrixView<const float>(x), rows.data, out, stream_);
  }

  /// y is in the format that the product behind the norm multiplies.
  void rms_norm(const MatrixView<float>& x, const CudaNorm& norm, float epsilon, const CudaRows& y) {
    const MatrixView<const float> in(x);
    switch (norm.operand) {
      case Precision::i8: return cuda::rms_norm<A>(in, norm.weight.data(), epsilon, y.quantized(), stream_);
      case Precision::bf16: return cuda::rms_norm<A>(in, norm.weight.data(), epsilon, y.as<bf16>(), stream_);
      default: return cuda::rms_norm<A>(in, norm.weight.data(), epsilon, y.as<f16>(), stream_);
    }
  }

  void rms_norm_heads(const MatrixView<float>& x, int head_dim, const cuda::DeviceBuffer<float>& weight, float epsilon) {
    cuda::rms_norm_heads<A>(x, head_dim, weight.data(), epsilon, stream_);
  }

  /// y = x * W^T, plus the layer's bias if it has one. x: (t, in), y: (t, out).
  void linear(const CudaRows& x, const CudaLinear& layer, const MatrixView<float>& y) {
    const CudaProduct product = product_of(x, layer);
    visit_products<A>(product, [&](auto products) { products.store(product, y); });
  }

  /// The same for the three projections of attention: q, k and v are columns of one matrix.
  void linear_qkv(const CudaRows& x, const CudaLayer& w, const MatrixView<float>& q, const MatrixView<float>& k,
                  const MatrixView<float>& v) {
    if (w.qkv.size() == 1) return linear(x, w.qkv[0], {q.data, q.rows, q.cols + k.cols + v.cols, q.stride});
    linear(x, w.qkv[0], q);
    linear(x, w.qkv[1], k);
    linear(x, w.qkv[2], v);
  }

  /// residual += x * W^T, plus the layer's bias if it has one.
  void linear_add(const CudaRows& x, const CudaLinear& layer, const MatrixView<float>& residual) {
    const CudaProduct product = product_of(x, layer);
    visit_products<A>(product, [&](auto products) { products.add(product, residual); });
  }

  /// gate = silu(normed * gate^T) * (normed * up^T), in the format that the down projection multiplies.
  void linear_swiglu(const CudaLayer& w, const Step& step) {
    const CudaRows &x = step.normed, &y = step.gate;
    const Precision next = w.down.operand;
    if (w.gate_up.size() == 2) {
      const MatrixView<float> gate = step.scratch.as<float>(), up = step.more_scratch.as<float>();
      linear(x, w.gate_up[0], gate);
      linear(x, w.gate_up[1], up);
      switch (next) {
        case Precision::i8: return cuda::swiglu<A>(gate, up, y.quantized(), stream_);
        case Precision::bf16: return cuda::swiglu<A>(gate, up, y.as<bf16>(), stream_);
        default: return cuda::swiglu<A>(gate, up, y.as<f16>(), stream_);
      }
    }
    const CudaProduct product = product_of(x, w.gate_up[0]);
    const bool direct = product.operand == next && next != Precision::i8;
    const CudaRows& out = direct ? y : step.scratch;
    visit_products<A>(product, [&](auto products) { products.swiglu(product, out); });
    if (direct) return;
    switch (product.operand) {
      case Precision::i8: return round(out.as<const float>(), next, y);
      case Precision::bf16: return round(out.as<const bf16>(), next, y);
      default: return round(out.as<const f16>(), next, y);
    }
  }

  /// Turns queries and keys to their positions, and writes keys and values to the cache.
  void append(int layer, const Step& step) {
    cuda::append(*step.cache, layer, step.batch.kv, step.q, step.k, step.v, step.rotary, stream_);
  }

  /// Writes keys and values of the caller's, as they are. Allocates and waits: not for a step.
  void append_rows(cuda::KvCache& cache, int layer, std::span<const KvChunk> batch, MatrixView<const float> k, MatrixView<const float> v) {
    cuda::runtime::use_device(device_);
    int pages = 0;
    for (const KvChunk& chunk : batch) pages += cache.pages_for(chunk.first + chunk.count);
    const cuda::KvBatchTables tables(static_cast<int>(batch.size()), k.rows, pages);
    std::vector<int> host(tables.words());
    tables.fill(cache, batch, {}, host);
    cuda::DeviceBuffer<int> block(host.size());
    cuda::upload(std::span<const int>(host), block.data(), stream_);
    const std::size_t values = static_cast<std::size_t>(k.rows) * static_cast<std::size_t>(k.cols);
    cuda::DeviceBuffer<float> keys(values), rows(values);
    const MatrixView<float> device_k(keys.data(), k.rows, k.cols), device_v(rows.data(), k.rows, k.cols);
    for (int row = 0; row < k.rows; ++row) {
      cuda::upload(std::span<const float>(k.row(row), static_cast<std::size_t>(k.cols)), device_k.row(row), stream_);
      cuda::upload(std::span<const float>(v.row(row), static_cast<std::size_t>(v.cols)), device_v.row(row), stream_);
    }
    cuda::append(cache, layer, tables.view(block.data()), {nullptr, k.rows, 0}, device_k, device_v, {}, stream_);
    stream_.synchronize();
  }

  /// mixed = softmax(q * keys) * values, in the format that the output projection multiplies. window: of this layer, 0 for none.
  void attention(int layer, const CudaLayer& w, const Step& step, int window) {
    const Precision next = w.o.operand;
    const CudaRows& out = next == Precision::i8 ? step.scratch : step.mixed;
    const CudaAttentionPlan& plan = step.batch.attention_for(window);
    cuda::attention(*step.cache, layer,
                    {.batch = step.batch.kv,
                     .tables = plan.view,
                     .grid = plan.grid,
                     .q = step.q,
                     .out = {out.data, step.q.cols, next == Precision::i8 ? Precision::f32 : next, step.q.rows, step.q.cols},
                     .states = step.states},
                    stream_);
    if (next == Precision::i8) round(MatrixView<const float>(static_cast<float*>(out.data), step.q.rows, step.q.cols), next, step.mixed);
  }

  /// The next tokens. Logits that are wanted on the host stay as they are.
  void choose(const Step& step) {
    if (step.samples) cuda::sample<cuda::SampleConfig{.arch = A}>(step.sample, stream_);
  }

 private:
  /// Whether this step's attention is split; part of what its recording depends on.
  static int merges(const Step& step) {
    return (step.batch.attention[0].grid.merges > 0 ? 1 : 0) + (step.batch.attention[1].grid.merges > 0 ? 2 : 0);
  }

  CudaProduct product_of(const CudaRows& x, const CudaLinear& layer) const {
    return {layer.view, layer.bias.data(), layer.operand, x, {.arch = A, .workspace = workspace_, .stream = stream_}};
  }

  template <class T>
  void round(const MatrixView<const T>& x, Precision to, const CudaRows& y) {
    switch (to) {
      case Precision::i8: return cuda::quantize_rows<A>(x, y.quantized(), stream_);
      case Precision::bf16: return cuda::convert_rows<A>(x, y.as<bf16>(), stream_);
      default: return cuda::convert_rows<A>(x, y.as<f16>(), stream_);
    }
  }

  int device_;
  cuda::OwnedStream stream_;
  cuda::DeviceBuffer<float> partials_;
  cuda::DeviceBuffer<int> counters_;
  cuda::GemmWorkspace workspace_;
  cuda::PinnedBuffer<float> embedded_;
  CudaGraphs graphs_;
  CudaOutputs outputs_;
};

}  // namespace vernier::model
