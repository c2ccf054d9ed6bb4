// The engine over a real forward: a small random Llama at three tiers, each with its own KV precision. Each greedy answer must equal,
// token for token, the one that the same request gets alone, through batching, chunking, forks, preemption and the prefix cache.
#include <gtest/gtest.h>

#include <random>

#include "server/engine/llama_tier.hpp"
#include "server/engine_support.hpp"
#include "support/model.hpp"

namespace vernier::serve::test {
namespace {

using model::ModelConfig;

ModelConfig small_config() {
  ModelConfig c;
  c.architecture = "llama";
  c.layers = 2;
  c.hidden = 64;
  c.heads = 4;
  c.kv_heads = 2;
  c.head_dim = 16;
  c.ffn = 96;
  c.vocab = toy_vocabulary;
  c.context = 192;
  return c;
}

std::shared_ptr<const model::Weights> small_weights(Precision p) {
  const auto format = [p](std::string_view name) { return default_format(name == "model.embed_tokens.weight" ? Precision::f16 : p); };
  return vernier::test::make_weights(small_config(), format, vernier::test::random_matrix);
}

struct SmallEngine {
  SmallEngine(int threads, int pages, EngineConfig config)
      : pool(threads), device(model::open_cpu(pool)), engine(tiers(pages), std::make_shared<ToyVocabulary>(), config) {}

  std::vector<std::unique_ptr<TierModel>> tiers(int pages) {
    std::vector<std::unique_ptr<TierModel>> out;
    for (const auto& [weights, kv] :
         {std::pair(Precision::nf4, Precision::e4m3), std::pair(Precision::i8, Precision::i8), std::pair(Precision::f16, Precision::f16)})
      out.push_back(make_llama_tier(device->place(small_weights(weights), model::default_activations),
                                    {.kv = {.precision = kv, .page_tokens = 16}, .pages = pages}));
    return out;
  }

  cpu::ThreadPool pool;
  std::unique_ptr<model::Device> device;
  Engine engine;
};

// Prompts of many lengths, so that decode, small batches and prefill meet in one step.
GenerationRequest small_request(int client) {
  std::mt19937 random(static_cast<unsigned>(client) + 100);
  GenerationRequest r{.prompt = toy_prompt(1 + static_cast<int>(random() % 90), static_cast<unsigned>(client)), .tier = client % 3};
  if (client % 2 == 0) {  // what several begin with, so that they find it in the prefix cache
    const std::vector<int> common = toy_prompt(41, 1000);
    r.prompt.insert(r.prompt.begin(), common.begin(), common.end());
  }
  r.max_tokens = 8 + static_cast<int>(random() % 30);
  r.ignore_end = true;
  r.sampling.temperature = 0;
  r.logprobs = true;
  if (client % 8 == 5) {
    r.n = 2;
    r.sampling.temperature = 0.8f;
    r.sampling.seed = random();
  }
  return r;
}

struct Outcome {
  std::vector<std::vector<int>> ids;  // by client, all answers of it one after the other
  std::vector<std::vector<float>> logprobs;
  std::uint64_t preemptions = 0, cached_tokens = 0;
};

Outcome run(SmallEngine& small, int clients, bool together) {
  Outcome out;
  std::vector<Listener> listeners(static_cast<std::size_t>(clients));
  for (int i = 0; i < clients; ++i) {
    Listener& listener = listeners[static_cast<std::size_t>(i)];
    const Submitted s = small.engine.submit(small_request(i), listener.callback());
    EXPECT_EQ(s.status, Submitted::Status::accepted) << s.message;
    EXPECT_TRUE(together || listener.wait());
    if (together && i % 6 == 3) {  // someone who leaves at once
      Listener gone;
      const Submitted leaver = small.engine.submit(small_request(i + 1), gone.callback());
      small.engine.cancel(leaver.id);
      EXPECT_TRUE(gone.wait());
    }
  }
  for (int i = 0; i < clients; ++i) {
    Listener& listener = listeners[static_cast<std::size_t>(i)];
    EXPECT_TRUE(listener.wait());
    out.ids.emplace_back();
    out.logprobs.emplace_back();
    for (int choice = 0; choice < small_request(i).n; ++choice) {
      EXPECT_EQ(listener.answer(choice).finish, FinishReason::length) << listener.answer(choice).error;
      for (const GeneratedToken& token : listener.answer(choice).tokens) {
        out.ids.back().push_back(token.id);
        out.logprobs.back().push_back(token.logprob);
      }
    }
  }
  EXPECT_EQ(small.engine.drain(std::chrono::seconds(30)), 0);
  const EngineStats stats = small.engine.stats();
  for (const TierStats& tier : stats.tiers) {
    EXPECT_EQ(tier.pages_used, 0);
    out.cached_tokens += tier.cached_tokens;
  }
  out.preemptions = stats.preemptions;
  return out;
}

TEST(EngineLlama, AnswersAreTheSameAloneAndInACrowd) {
  const int clients = 32;
  SmallEngine quiet(1, 64, {.chunk_tokens = 256, .cached_prefixes = 0});
  const Outcome single = run(quiet, clients, false);
  EXPECT_EQ(single.preemptions + single.cached_tokens, 0u);
  for (const auto& ids : single.ids) EXPECT_GE(ids.size(), 8u);
  EXPECT_NE(single.ids[0], single.ids[3]);

  SmallEngine crowd(2, 64, {.max_sequences = 12, .chunk_tokens = 48});
  const Outcome together = run(crowd, clients, true);
  SmallEngine tight(2, 13, {.chunk_tokens = 32});  // little more than one sequence's pages
  const Outcome preempted = run(tight, clients, true);
  EXPECT_GT(together.cached_tokens, 0u);
  EXPECT_GT(preempted.preemptions, 0u);
  for (std::size_t i = 0; i < clients; ++i) {
    EXPECT_EQ(together.ids[i], single.ids[i]) << "client " << i;
    EXPECT_EQ(together.logprobs[i], single.logprobs[i]) << "client " << i << ": not a bit may differ";
    EXPECT_EQ(preempted.ids[i], single.ids[i]) << "client " << i;
    EXPECT_EQ(preempted.logprobs[i], single.logprobs[i]) << "client " << i << ": not a bit may differ";
  }
}

}  // namespace
}  // namespace vernier::serve::test
