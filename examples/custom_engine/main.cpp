// An engine of your own: one decoder layer, built from the library's parts with choices that the library does not make. It has
//   its own policy    which format each matrix gets (attention e4m3, MLP nf4), and pages of 64 tokens in i8
//   its own epilogue  the down projection clamps what it adds to the residual stream
//   its own table     two kernels for this machine's decode and prefill, instead of the default table's choice
// Run it: it prefills a prompt, decodes a token after it, and checks that the token would be the same had it been part of the prompt.
// Compile against the library alone: no other header of this repository is used.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "vernier/attention/attention.hpp"
#include "vernier/gemm/gemm.hpp"
#include "vernier/kv/append.hpp"
#include "vernier/kv/cache.hpp"
#include "vernier/ops/elementwise.hpp"
#include "vernier/ops/rmsnorm.hpp"
#include "vernier/ops/rope.hpp"
#include "vernier/quant/quantize.hpp"
#include "vernier/router/select.hpp"

namespace {

using namespace vernier;

constexpr int hidden = 256, heads = 8, kv_heads = 2, head_dim = 32, ffn = 512, prompt = 23;

/// The policy: formats of the two halves of a layer, and of its cache.
struct LayerPolicy {
  WeightFormat attention = default_format(Precision::e4m3);
  WeightFormat mlp = default_format(Precision::nf4);
  KvConfig kv{.precision = Precision::i8, .page_tokens = 64};
};

/// The epilogue: adds to the residual stream, but never more than `limit` in either direction.
struct AddClamped {
  MatrixView<const float> residual;
  float limit = 0;
  float operator()(float x, int row, int col) const { return residual(row, col) + std::clamp(x, -limit, limit); }
};
static_assert(Epilogue<AddClamped>, "custom_engine: AddClamped must be callable as e(x, row, col)");

/// The table: for each format that this engine uses, portable kernels of one token for decode and of eight for anything larger.
struct SmallTable {
  static constexpr std::array rules = {
      Rule<cpu::GemmConfig>{{.isa = cpu::Isa::scalar, .weight = Precision::e4m3, .tile_m = 1}, 1},
      Rule<cpu::GemmConfig>{{.isa = cpu::Isa::scalar, .weight = Precision::e4m3, .tile_m = 8}},
      Rule<cpu::GemmConfig>{{.isa = cpu::Isa::scalar, .weight = Precision::nf4, .tile_m = 1}, 1},
      Rule<cpu::GemmConfig>{{.isa = cpu::Isa::scalar, .weight = Precision::nf4, .tile_m = 8}},
  };
};
static_assert(all_reachable<SmallTable>(), "custom_engine: a rule of SmallTable can never be chosen");

/// `count` values of about +-`size`, the same on every run.
std::vector<float> numbers(int count, float size, unsigned seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = size * (static_cast<float>(seed >> 8) / 8388608.0f - 1.0f);
  }
  return values;
}

/// One layer with random weights. Owns weights, cache and scratch; runs on the caller's pool.
class Layer {
 public:
  explicit Layer(cpu::ThreadPool& pool, const LayerPolicy& policy = {})
      : pool_(pool),
        qkv_(matrix((heads + 2 * kv_heads) * head_dim, hidden, policy.attention, 1)),
        o_(matrix(hidden, heads * head_dim, policy.attention, 2)),
        gate_up_(matrix(2 * ffn, hidden, policy.mlp, 3)),
        down_(matrix(hidden, ffn, policy.mlp, 4)),
        norm_(static_cast<std::size_t>(hidden), 1.0f),
        rope_(ops::RopeConfig{.rotary_dim = head_dim}),
        cache_(policy.kv, {.layers = 1, .kv_heads = kv_heads, .head_dim = head_dim, .num_pages = 4}) {
    rope_.reserve(prompt + 1);
  }

  KvSequence sequence() { return KvSequence(cache_); }

  /// x: (t, hidden), the next t tokens of `sequence`, changed in place.
  void run(KvSequence& sequence, MatrixView<float> x) {
    const int t = x.rows;
    expect(sequence.extend(t), "custom_engine", "no pages left for ", t, " more tokens");
    const KvChunk chunk = sequence.last(t);
    const std::span batch(&chunk, 1);
    const RotaryView rotary = rotary_view(rope_);
    Buffer<float> memory(static_cast<std::size_t>(t * (hidden + (heads + 2 * kv_heads) * head_dim + heads * head_dim + 2 * ffn)));
    const MatrixView<float> normed(memory.data(), t, hidden);
    const MatrixView<float> qkv(memory.data() + t * hidden, t, (heads + 2 * kv_heads) * head_dim);
    const MatrixView<float> mixed(qkv.data + t * qkv.cols, t, heads * head_dim);
    const MatrixView<float> gate_up(mixed.data + t * mixed.cols, t, 2 * ffn);

    ops::rms_norm(x, norm_.data(), 1e-5f, normed);
    gemm(normed, qkv_, qkv, Identity{});  // one matrix for all three: a view finds q, k and v in the result
    const MatrixView<float> q = qkv.slice_cols(0, heads * head_dim);
    rotate(pool_, q, head_dim, batch, rotary);
    append(pool_, cache_, 0, batch, qkv.slice_cols(heads * head_dim, kv_heads * head_dim),
           qkv.slice_cols((heads + kv_heads) * head_dim, kv_heads * head_dim), rotary);
    attention(pool_, cache_, 0, batch, q, mixed, AttentionOptions{}, attention_workspace_);
    gemm(mixed, o_, x, AddResidual{x});

    ops::rms_norm(x, norm_.data(), 1e-5f, normed);
    gemm(normed, gate_up_, gate_up, Identity{});
    const MatrixView<float> gate = gate_up.slice_cols(0, ffn);
    ops::swiglu(gate, gate_up.slice_cols(ffn, ffn), gate);
    gemm(gate, down_, x, AddClamped{x, 4.0f});
  }

 private:
  static PackedMatrix matrix(int n, int k, WeightFormat format, unsigned seed) {
    const std::vector<float> w = numbers(n * k, std::sqrt(3.0f / static_cast<float>(k)), seed);
    return quantize({w.data(), n, k}, format);
  }

  template <Epilogue E>
  void gemm(MatrixView<const float> x, const PackedMatrix& w, MatrixView<float> y, const E& epilogue) {
    cpu::gemm<SmallTable>(pool_, x, w.view(), y, gemm_workspace_, {.isa = cpu::Isa::scalar}, epilogue);
  }

  cpu::ThreadPool& pool_;
  PackedMatrix qkv_, o_, gate_up_, down_;
  std::vector<float> norm_;
  ops::RopeTable rope_;
  KvCache cache_;
  cpu::GemmWorkspace gemm_workspace_;
  AttentionWorkspace attention_workspace_;
};

}  // namespace

int main() {
  cpu::ThreadPool pool(2);
  Layer layer(pool);
  const std::vector<float> tokens = numbers((prompt + 1) * hidden, 1.0f, 5);

  std::vector<float> at_once = tokens;  // all tokens as one prompt
  KvSequence whole = layer.sequence();
  layer.run(whole, {at_once.data(), prompt + 1, hidden});

  std::vector<float> in_two = tokens;  // a prompt, then one decoded token
  KvSequence parts = layer.sequence();
  layer.run(parts, {in_two.data(), prompt, hidden});
  layer.run(parts, {in_two.data() + prompt * hidden, 1, hidden});

  const bool finite = std::all_of(at_once.begin(), at_once.end(), [](float x) { return std::isfinite(x); });
  std::printf("%d tokens through one layer: prefill + decode and one prefill agree %s\n", prompt + 1,
              at_once == in_two ? "to the last bit" : "NOT");
  return finite && at_once == in_two ? 0 : 1;
}
