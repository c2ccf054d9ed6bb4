// Every architecture variant, as a tiny random model, against what transformers computes with the same weights (data/make_tiny_models.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "common/model/cpu_llama.hpp"
#include "support/compare.hpp"
#include "support/outputs.hpp"
#include "support/tiny_models.hpp"

namespace vernier::model {
namespace {

/// A loaded model with one sequence.
class TinyModel {
 public:
  explicit TinyModel(const std::string& name, Precision weights = Precision::f16, int threads = 2,
                     Activations activations = default_activations)
      : files(name),
        pool_(threads),
        llama_(test::load_tiny(files, weights, pool_), CpuBackend(pool_, activations)),
        cache_({.precision = Precision::f16, .page_tokens = 16}, llama_.kv_geometry(64)) {}

  const ModelConfig& config() const { return llama_.config(); }

  /// Logits of each of `ids`, which follow those that the sequence holds. (ids, vocab)
  std::vector<float> run(KvSequence& sequence, const std::vector<int>& ids) {
    const int count = static_cast<int>(ids.size());
    std::vector<Output> outputs = test::logits_of(count);
    EXPECT_TRUE(sequence.extend(count));
    const KvChunk chunk = sequence.last(count);
    llama_.forward(cache_, {&chunk, 1}, ids, outputs);
    return test::joined(outputs);
  }

  KvSequence sequence() { return KvSequence(cache_); }

  /// f16 weights in float.
  static TinyModel exact(const std::string& name) { return TinyModel(name, Precision::f16, 2, Activations::f32); }

  const test::TinyFiles files;

 private:
  cpu::ThreadPool pool_;
  Llama<CpuBackend> llama_;
  KvCache cache_;
};

/// Weights are exact in f16 and keys and values are rounded to f16 on both sides, so only the order of float sums differs, and where that
/// moves a cached value over a rounding border, one unit of f16 in that value. A logit sums `hidden` products of values of size one,
/// each of which a cached value enters with a weight below one; we allow one rounding of f16, 2^-11, of the largest logit in all.
double bound(const std::vector<float>& expected) {
  double largest = 0;
  for (float x : expected) largest = std::max(largest, std::abs(static_cast<double>(x)));
  return largest * 0x1p-11;
}

class TinyModels : public testing::TestWithParam<const char*> {};

TEST_P(TinyModels, LogitsMatchTransformers) {
  TinyModel model = TinyModel::exact(GetParam());
  const std::vector<float> expected = model.files.expected();
  const std::vector<int> ids = model.files.tokens();
  KvSequence sequence = model.sequence();
  const std::vector<float> logits = model.run(sequence, ids);
  ASSERT_EQ(logits.size(), expected.size());
  test::Worst worst;
  for (std::size_t i = 0; i < logits.size(); ++i) worst.add(i, expected[i], logits[i], bound(expected));
  EXPECT_LE(worst.excess, 0) << worst.text();
}

TEST_P(TinyModels, ChunksAndThreadsDoNotChangeABit) {
  TinyModel one(GetParam(), Precision::f16, 1), three(GetParam(), Precision::f16, 3);
  const std::vector<int> ids = one.files.tokens();
  KvSequence whole = one.sequence(), parts = three.sequence();
  const std::vector<float> at_once = one.run(whole, ids);
  std::vector<float> in_parts;
  for (std::size_t i = 0, count = 1; i < ids.size(); i += count, count = count * 3 % 11) {
    count = std::min(count, ids.size() - i);
    const std::vector<float> part =
        three.run(parts, {ids.begin() + static_cast<std::ptrdiff_t>(i), ids.begin() + static_cast<std::ptrdiff_t>(i + count)});
    in_parts.insert(in_parts.end(), part.begin(), part.end());
  }
  EXPECT_EQ(at_once, in_parts);
}

TEST_P(TinyModels, GreedyContinuationMatchesTransformers) {
  TinyModel model(GetParam());
  std::vector<int> ids = model.files.tokens();
  ids.resize(8);
  KvSequence sequence = model.sequence();
  std::vector<int> greedy;
  const std::size_t vocab = static_cast<std::size_t>(model.config().vocab);
  for (const int expected : model.files.greedy()) {
    const std::vector<float> logits = model.run(sequence, ids);
    const auto last = logits.end() - static_cast<std::ptrdiff_t>(vocab);
    const int best = static_cast<int>(std::max_element(last, logits.end()) - last);
    ASSERT_EQ(best, expected) << "after " << greedy.size() << " tokens; the margin is " << last[best] - last[expected];
    greedy.push_back(best);
    ids = {best};
  }
  EXPECT_FALSE(greedy.empty());
}

TEST_P(TinyModels, EveryWeightFormatStaysNearF16) {
  TinyModel exact = TinyModel::exact(GetParam());
  const std::vector<int> ids = exact.files.tokens();
  KvSequence base = exact.sequence();
  const std::vector<float> want = exact.run(base, ids);
  double signal = 0;
  for (float x : want) signal += static_cast<double>(x) * x;
  // Relative noise of one rounding to nearest (f16 as integers 2^-11 of a power of two that is up to 2.6 times the usual weight, by
  // sqrt(12); bf16 2^-9/sqrt(3), int8 rows, fp8 mantissas, nf4's 0.09). 7 matrices a layer and the head,
  // each rounded and multiplied by activations that are rounded as far at most: sqrt(2 * 15) times, doubled for what the softmax and the
  // gate amplify.
  const std::pair<Precision, double> formats[] = {{Precision::f16, 0.0004}, {Precision::bf16, 0.0012}, {Precision::i8, 0.008},
                                                  {Precision::e4m3, 0.027}, {Precision::e5m2, 0.054},  {Precision::nf4, 0.093}};
  for (const auto& [precision, noise] : formats) {
    SCOPED_TRACE(name(precision));
    TinyModel model(GetParam(), precision);
    KvSequence sequence = model.sequence();
    const std::vector<float> got = model.run(sequence, ids);
    double error = 0;
    for (std::size_t i = 0; i < got.size(); ++i) error += (static_cast<double>(got[i]) - want[i]) * (static_cast<double>(got[i]) - want[i]);
    EXPECT_LE(std::sqrt(error / signal), 2 * std::sqrt(30.0) * noise);
    EXPECT_GT(error, precision == Precision::f16 && cpu::features().isa < cpu::Isa::avx512 ? -1 : 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, TinyModels,
                         testing::Values("llama2", "llama-linear-rope", "llama3-tied", "llama3-sharded", "mistral-window", "qwen2-bias",
                                         "qwen3-norm", "chat"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace vernier::model
