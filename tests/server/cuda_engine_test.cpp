// The engine over the CUDA backend, on the emulator: what each answer is alone, it is in a crowd, through batches, recorded steps, shared
// prefixes and preemption.
#include <gtest/gtest.h>

#include "common/device/cuda_device.hpp"
#include "server/engine/llama_tier.hpp"
#include "server/engine_support.hpp"
#include "support/model.hpp"

namespace vernier::serve::test {
namespace {

model::ModelConfig small_config() {
  model::ModelConfig c;
  c.architecture = "llama";
  c.layers = 1;
  c.hidden = 32;
  c.heads = 2;
  c.kv_heads = 1;
  c.head_dim = 64;
  c.ffn = 48;
  c.vocab = toy_vocabulary;
  c.context = 128;
  return c;
}

struct SmallEngine {
  SmallEngine(int pages, EngineConfig config)
      : device(model::open_cuda(model::find_cuda_devices().all.at(0))), engine(tiers(pages), std::make_shared<ToyVocabulary>(), config) {}

  std::vector<std::unique_ptr<TierModel>> tiers(int pages) {
    const auto weights = vernier::test::make_weights(small_config(), model::uniform_formats(Precision::f16), vernier::test::random_matrix);
    std::vector<std::unique_ptr<TierModel>> out;
    out.push_back(
        make_llama_tier(device->place(weights, model::default_activations), {.kv = {.precision = Precision::f16}, .pages = pages}));
    return out;
  }

  std::unique_ptr<model::Device> device;
  Engine engine;
};

GenerationRequest small_request(int client) {
  GenerationRequest r{.prompt = toy_prompt(3 + 17 * client % 40, static_cast<unsigned>(client)), .tier = 0};
  if (client % 2 == 0) {  // what several begin with
    const std::vector<int> common = toy_prompt(35, 1000);
    r.prompt.insert(r.prompt.begin(), common.begin(), common.end());
  }
  r.max_tokens = 4 + client;
  r.ignore_end = true;
  r.sampling.temperature = 0;
  r.logprobs = true;  // so that events have the tokens
  return r;
}

/// The ids of each client's answer.
std::vector<std::vector<int>> run(SmallEngine& small, int clients, bool together) {
  std::vector<Listener> listeners(static_cast<std::size_t>(clients));
  for (int i = 0; i < clients; ++i) {
    Listener& listener = listeners[static_cast<std::size_t>(i)];
    EXPECT_EQ(small.engine.submit(small_request(i), listener.callback()).status, Submitted::Status::accepted);
    EXPECT_TRUE(together || listener.wait());
  }
  std::vector<std::vector<int>> ids;
  for (Listener& listener : listeners) {
    EXPECT_TRUE(listener.wait());
    EXPECT_EQ(listener.answer(0).finish, FinishReason::length) << listener.answer(0).error;
    ids.emplace_back();
    for (const GeneratedToken& token : listener.answer(0).tokens) ids.back().push_back(token.id);
  }
  EXPECT_EQ(small.engine.drain(std::chrono::seconds(60)), 0);
  return ids;
}

TEST(CudaEngine, AnswersAreTheSameAloneAndInACrowd) {
  constexpr int clients = 6;
  SmallEngine quiet(32, {.cached_prefixes = 0});
  const auto alone = run(quiet, clients, false);
  for (const auto& ids : alone) EXPECT_GE(ids.size(), 4u);
  EXPECT_NE(alone[0], alone[1]);

  SmallEngine crowd(32, {.max_sequences = 4, .chunk_tokens = 24});
  EXPECT_EQ(run(crowd, clients, true), alone);
  EXPECT_GT(crowd.engine.stats().tiers[0].cached_tokens, 0u);

  SmallEngine tight(5, {.chunk_tokens = 24});
  EXPECT_EQ(run(tight, clients, true), alone);
}

}  // namespace
}  // namespace vernier::serve::test
