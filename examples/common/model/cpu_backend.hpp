// The CPU as a backend of the forward: every operation that a Llama needs, under the names that the forward uses. Nothing is computed
// here; each function is one call into the library.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "common/model/cpu_state.hpp"
#include "common/model/formats.hpp"
#include "common/model/output.hpp"
#include "common/model/weights.hpp"
#include "vernier/attention/attention.hpp"
#include "vernier/attention/precompiled.hpp"
#include "vernier/core/error.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/gemm/gemm.hpp"
#include "vernier/gemm/precompiled.hpp"
#include "vernier/kv/append.hpp"
#include "vernier/kv/cache.hpp"
#include "vernier/ops/elementwise.hpp"
#include "vernier/ops/rmsnorm.hpp"

namespace vernier::model {

/// How a linear layer with weights in this format is multiplied; int16 and bf16 where the machine has an instruction for it. i8 weights
/// with a scale per group are the head of an i8 model: its activations stay float, because rounding them costs as much as a fifth of all
/// layers do.
inline cpu::Multiply multiply_for(const WeightFormat& w, Activations activations, cpu::Isa isa = cpu::selected_isa()) {
  const Precision p = w.precision;
  if (activations == Activations::f32 || (p == Precision::i8 && w.scaling == Scaling::group)) return cpu::Multiply::f32;
  if (cpu::supports(cpu::Multiply::i8, p)) return cpu::Multiply::i8;
  if (activations == Activations::i16 && cpu::supports(cpu::Multiply::i16, p) && cpu::supports(isa, cpu::Multiply::i16))
    return cpu::Multiply::i16;
  const bool wanted = p != Precision::bf16 || activations == Activations::bf16;
  const bool able = isa == cpu::Isa::avx512 && cpu::features().avx512_bf16 && cpu::supports(cpu::Multiply::bf16, p);
  return wanted && able ? cpu::Multiply::bf16 : cpu::Multiply::f32;
}

/// Runs on a caller's pool. One forward at a time.
class CpuBackend {
 public:
  using Weights = model::Weights;
  using Cache = KvCache;
  using State = CpuState;
  using Step = CpuStep;

  /// The pool is not owned. `isa` is the instruction set of every kernel.
  explicit CpuBackend(cpu::ThreadPool& pool, Activations activations = default_activations, cpu::Isa isa = cpu::selected_isa())
      : pool_(&pool), activations_(activations), isa_(isa) {}

  cpu::ThreadPool& pool() { return *pool_; }

  std::shared_ptr<KvCache> make_cache(const KvConfig& config, const KvGeometry& geometry) {
    return std::make_shared<KvCache>(config, geometry);
  }

  /// What a model still has to pack may have to be packed now.
  void prepare(const Weights& weights) {
    if (weights.packing) weights.packing->before_forward();
  }

  /// Nothing: a forward takes its memory as it comes, and the host has more.
  void reserve(State&, int, int) {}

  /// A forward of t tokens.
  Step begin(State& state, KvCache& cache, std::span<const KvChunk> batch, int t, std::span<Output> outputs) {
    return state.begin(cache, batch, t, outputs);
  }

  /// Does `work`, the calls that follow. Other backends may do it later or more than once.
  template <class Work>
  void run(State&, const Step&, Work&& work) {
    work();
  }

  /// out(i) = row ids[i] of the table. out: (t, hidden).
  void embed(const Embedding& table, std::span<const int> ids, MatrixView<float> out) { table.look_up(ids, out, pool_); }

  /// out(i) = the row of x that output i is about.
  void gather(MatrixView<const float> x, std::span<const Output> outputs, MatrixView<float> out) {
    for (int i = 0; i < out.rows; ++i)
      std::memcpy(out.row(i), x.row(outputs[static_cast<std::size_t>(i)].row), static_cast<std::size_t>(x.cols) * sizeof(float));
  }

  void rms_norm(MatrixView<const float> x, const std::vector<float>& weight, float epsilon, MatrixView<float> y) {
    ops::rms_norm(x, weight.data(), epsilon, y, pool_);
  }

  void rms_norm_heads(MatrixView<float> x, int head_dim, const std::vector<float>& weight, float epsilon) {
    ops::rms_norm_heads(x, head_dim, weight.data(), epsilon, pool_);
  }

  /// y = x * W^T, plus the layer's bias if it has one. x: (t, in), y: (t, out).
  void linear(MatrixView<const float> x, const Linear& layer, MatrixView<float> y) { gemm(x, product(layer, y)); }

  /// The same for the three projections of attention, which share x.
  void linear_qkv(MatrixView<const float> x, const LayerWeights& w, MatrixView<float> q, MatrixView<float> k, MatrixView<float> v) {
    gemm(x, product(w.q, q), product(w.k, k), product(w.v, v));
  }

  /// residual += x * W^T, plus the layer's bias if it has one.
  void linear_add(MatrixView<const float> x, const Linear& layer, MatrixView<float> residual) {
    using Add = Then<MaybeBias, AddResidual>;
    gemm(x, cpu::Product<Add>{layer.view(), residual, {{bias(layer)}, {residual}}});
  }

  /// gate = silu(normed * gate^T) * (normed * up^T): the gated unit.
  void linear_swiglu(const LayerWeights& w, const Step& step) {
    gemm(step.normed, product(w.gate, step.gate), cpu::Product<SwiGlu>{w.up.view(), step.gate, {step.gate, isa_}});
  }

  /// Turns queries and keys to their positions, and writes keys and values to the cache.
  void append(int layer, const Step& step) {
    vernier::rotate(*pool_, step.q, step.cache.geometry().head_dim, step.batch, step.rotary);
    vernier::append(*pool_, step.cache, layer, step.batch, step.k, step.v, step.rotary);
  }

  /// Writes keys and values of the caller's, as they are.
  void append_rows(KvCache& cache, int layer, std::span<const KvChunk> batch, MatrixView<const float> k, MatrixView<const float> v) {
    vernier::append(*pool_, cache, layer, batch, k, v, {});
  }

  /// mixed = softmax(q * keys) * values. window: of this layer, 0 for none.
  void attention(int layer, const LayerWeights&, const Step& step, int window) {
    vernier::attention(*pool_, step.cache, layer, step.batch, step.q, step.mixed, AttentionOptions{.window = window}, attention_workspace_);
  }

  /// The outputs get their tokens, or their logits.
  void choose(const Step& step) { finish_on_host(step.outputs, step.logits); }

 private:
  /// x + bias[col], where there is a bias.
  struct MaybeBias {
    const float* bias = nullptr;
    float operator()(float x, int, int col) const { return bias != nullptr ? x + bias[col] : x; }
  };

  /// The gate of a gated unit, applied as the other half is stored.
  struct SwiGlu {
    MatrixView<const float> gate;
    cpu::Isa isa;
    void operator()(const float* x, int row, int col, int n, float* out) const { ops::silu_multiply(gate.row(row) + col, x, out, n, isa); }
  };

  static const float* bias(const Linear& layer) { return layer.bias.empty() ? nullptr : layer.bias.data(); }
  static cpu::Product<MaybeBias> product(const Linear& layer, MatrixView<float> y) { return {layer.view(), y, {bias(layer)}}; }

  /// One call where a plan gives the matrices one format, else one after the other.
  template <class First, class... Others>
  void gemm(MatrixView<const float> x, const First& first, const Others&... others) {
    const WeightFormat& format = first.w.format;
    if (((others.w.format == format) && ...)) {
      cpu::gemm(*pool_, x, gemm_workspace_, {.multiply = multiply_for(format, activations_, isa_), .isa = isa_}, first, others...);
    } else {
      gemm(x, first);
      (gemm(x, others), ...);
    }
  }

  cpu::ThreadPool* pool_;
  Activations activations_;
  cpu::Isa isa_;
  cpu::GemmWorkspace gemm_workspace_;
  AttentionWorkspace attention_workspace_;
};

}  // namespace vernier::model
