// A warm forward and a warm sampler ask for no memory, on any thread: an allocation in the decode loop is a lock, and now and then a page
// fault, a thousand times a second.
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "common/model/cpu_llama.hpp"
#include "support/counted_memory.hpp"
#include "support/model.hpp"
#include "vernier/ops/sample.hpp"

namespace vernier::model {
namespace {

ModelConfig shape() {
  ModelConfig config;
  config.layers = 2;
  config.hidden = 128;
  config.heads = 8;
  config.kv_heads = 2;
  config.head_dim = 16;
  config.ffn = 192;
  config.vocab = 640;
  config.context = 1024;
  return config;
}

struct Case {
  Precision weights, kv;
  Activations activations;
  int threads;
};

std::string to_string(const Case& c) {
  return concat(name(c.weights), "_activations_", name(c.activations), "_kv_", name(c.kv), "_threads_", c.threads);
}

class Allocations : public testing::TestWithParam<Case> {};

/// Some sequences in one cache, and all memory that a caller keeps.
struct Session {
  explicit Session(const Case& c)
      : pool(c.threads),
        llama(test::make_weights(shape(), uniform_formats(c.weights), test::random_matrix), CpuBackend(pool, c.activations)),
        cache({.precision = c.kv}, llama.kv_geometry(200)) {
    for (int i = 0; i < most; ++i) sequences.emplace_back(cache);
    chunks.reserve(most);
    outputs.resize(most);
  }

  /// One forward in which each of the first `count` sequences gets `tokens` more tokens, and the logits of the last of them or a token.
  void step(int count, int tokens) {
    chunks.clear();
    for (int i = 0; i < count; ++i) {
      KvSequence& sequence = sequences[static_cast<std::size_t>(i)];
      if (!sequence.extend(tokens)) throw std::runtime_error("the cache is full");
      chunks.push_back(sequence.last(tokens));
      outputs[static_cast<std::size_t>(i)].row = (i + 1) * tokens - 1;
      outputs[static_cast<std::size_t>(i)].sampler = i % 2 == 0 ? &sampler : nullptr;
    }
    ids.assign(static_cast<std::size_t>(count * tokens), 7);
    llama.forward(cache, chunks, ids, std::span(outputs).first(static_cast<std::size_t>(count)));
  }

  /// A prompt in chunks, tokens of one sequence past a page and past a split of attention, prompts of several, and their tokens.
  void work() {
    for (KvSequence& sequence : sequences) sequence.truncate(0);
    for (int i = 0; i < 4; ++i) step(1, 120);
    for (int i = 0; i < 40; ++i) step(1, 1);
    step(5, 33);
    for (int i = 0; i < 4; ++i) step(most, 1);
  }

  static constexpr int most = 20;
  cpu::ThreadPool pool;
  Llama<CpuBackend> llama;
  KvCache cache;
  ops::Sampler sampler{{.top_p = 0.9f}};
  std::vector<KvSequence> sequences;
  std::vector<KvChunk> chunks;
  std::vector<int> ids;
  std::vector<Output> outputs;
};

TEST_P(Allocations, AWarmForwardHasNone) {
  Session session(GetParam());
  const std::size_t cold = test::CountedMemory::calls();
  session.work();
  const std::size_t before = test::CountedMemory::calls();
  EXPECT_GT(before, cold);
  session.work();
  EXPECT_EQ(test::CountedMemory::calls() - before, 0u);
}

constexpr auto i8 = Activations::i8;
INSTANTIATE_TEST_SUITE_P(Formats, Allocations,
                         testing::Values(Case{Precision::nf4, Precision::f16, i8, 1}, Case{Precision::nf4, Precision::i8, i8, 3},
                                         Case{Precision::nf4, Precision::e4m3, Activations::f32, 2},
                                         Case{Precision::i8, Precision::i8, i8, 2},
                                         Case{Precision::f16, Precision::f16, default_activations, 3},
                                         Case{Precision::e4m3, Precision::e4m3, i8, 2},
                                         Case{Precision::bf16, Precision::bf16, Activations::bf16, 2}),
                         [](const auto& p) { return to_string(p.param); });

// A sequence that nobody saw grow: its list of pages doubles.
TEST(AllocationsOfSequences, GrowWithTheLogarithmOfTheirLength) {
  const KvConfig config;
  KvCache cache(config, {.layers = 1, .kv_heads = 1, .head_dim = 8, .num_pages = 256});
  KvSequence sequence(cache);
  const std::size_t before = test::CountedMemory::calls();
  for (int i = 0; i < 256 * config.page_tokens; ++i) ASSERT_TRUE(sequence.extend(1));
  EXPECT_LE(test::CountedMemory::calls() - before, 9u);  // 1, 2, 4 to 256 pages
}

TEST(AllocationsOfSamplers, AWarmOneHasNone) {
  const std::vector<float> row = test::normal(2000, 3, 2.0f);
  for (const ops::SampleOptions& options :
       std::vector<ops::SampleOptions>{{.temperature = 0},
                                       {.temperature = 0.8f},
                                       {.top_k = 40, .top_p = 0.9f},
                                       {.top_k = 700},
                                       {.top_p = 0.9f, .min_p = 0.01f},
                                       {.repetition_penalty = 1.1f, .presence_penalty = 0.5f, .logit_bias = {{7, 1.0f}}}}) {
    SCOPED_TRACE(concat("temperature ", options.temperature, ", top_k ", options.top_k, ", top_p ", options.top_p));
    ops::Sampler sampler(options);
    std::vector<float> logits = row;
    const auto draw = [&] {
      std::copy(row.begin(), row.end(), logits.begin());
      return sampler.sample(logits);
    };
    for (int id = 0; id < 33; ++id) sampler.accept(id * 50), draw();  // the penalties have room for 64 tokens then
    const std::size_t before = test::CountedMemory::calls();
    for (int id = 0; id < 30; ++id) sampler.accept(id * 50 + 1), draw();
    EXPECT_EQ(test::CountedMemory::calls() - before, 0u);
  }
}

}  // namespace
}  // namespace vernier::model
