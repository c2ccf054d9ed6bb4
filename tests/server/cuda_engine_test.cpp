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

/// What the API's options are in the engine: each client has others.
ops::SampleOptions options_of(int client) {
  const auto seed = static_cast<std::uint64_t>(client) + 1;
  switch (client % 6) {
    case 0: return {.temperature = 0};
    case 1: return {.seed = seed};
    case 2: return {.temperature = 0.7f, .top_k = 20, .top_p = 0.9f, .seed = seed};
    case 3: return {.temperature = 0, .repetition_penalty = 1.8f, .presence_penalty = 0.5f};
    case 4: return {.temperature = 1.2f, .top_p = 0.8f, .frequency_penalty = 0.7f, .seed = seed};
    default: return {.min_p = 0.02f, .logit_bias = {{40, 3.0f}, {50, -INFINITY}, {60, 2.0f}}, .seed = seed};
  }
}

/// Who asks for log-probabilities, and so for logits on the host.
enum class Asking { none, some, all };

GenerationRequest small_request(int client, Asking asking) {
  GenerationRequest r{.prompt = toy_prompt(3 + 17 * client % 40, static_cast<unsigned>(client)), .tier = 0};
  if (client % 2 == 0) {  // what several begin with
    const std::vector<int> common = toy_prompt(35, 1000);
    r.prompt.insert(r.prompt.begin(), common.begin(), common.end());
  }
  r.n = client == 1 ? 3 : 1;
  r.max_tokens = 4 + client;
  r.ignore_end = true;
  r.sampling = options_of(client);
  r.logprobs = asking == Asking::all || (asking == Asking::some && client % 3 == 0);
  return r;
}

/// The texts of each client's answers.
std::vector<std::string> run(SmallEngine& small, int clients, bool together, Asking asking = Asking::some) {
  std::vector<Listener> listeners(static_cast<std::size_t>(clients));
  for (int i = 0; i < clients; ++i) {
    Listener& listener = listeners[static_cast<std::size_t>(i)];
    EXPECT_EQ(small.engine.submit(small_request(i, asking), listener.callback()).status, Submitted::Status::accepted);
    EXPECT_TRUE(together || listener.wait());
  }
  std::vector<std::string> texts;
  for (int i = 0; i < clients; ++i) {
    Listener& listener = listeners[static_cast<std::size_t>(i)];
    EXPECT_TRUE(listener.wait());
    const GenerationRequest request = small_request(i, asking);
    for (int choice = 0; choice < request.n; ++choice) {
      const Listener::Answer answer = listener.answer(choice);
      EXPECT_EQ(answer.finish, FinishReason::length) << answer.error;
      EXPECT_EQ(answer.tokens.size(), request.logprobs ? static_cast<std::size_t>(request.max_tokens) : 0u);
      texts.push_back(answer.text);
    }
  }
  EXPECT_EQ(small.engine.drain(std::chrono::seconds(60)), 0);
  return texts;
}

constexpr int clients = 6;

TEST(CudaEngine, AnswersAreTheSameAloneAndInACrowd) {
  SmallEngine quiet(32, {.cached_prefixes = 0});
  const auto alone = run(quiet, clients, false);
  for (const std::string& text : alone) EXPECT_GE(text.size(), 2u);
  EXPECT_NE(alone[1], alone[2]) << "two answers of one request draw alike";

  SmallEngine crowd(32, {.max_sequences = 4, .chunk_tokens = 24});
  EXPECT_EQ(run(crowd, clients, true), alone);
  EXPECT_GT(crowd.engine.stats().tiers[0].cached_tokens, 0u);

  SmallEngine tight(5, {.chunk_tokens = 24});
  EXPECT_EQ(run(tight, clients, true), alone);
}

/// With log-probabilities the CPU's sampler chooses, from logits that came to the host; without them the device does.
TEST(CudaEngine, ATokenIsTheSameWhereverItIsChosen) {
  SmallEngine host(32, {}), device(32, {});
  EXPECT_EQ(run(host, clients, true, Asking::all), run(device, clients, true, Asking::none));
  const TierStats of_host = host.engine.stats().tiers[0], of_device = device.engine.stats().tiers[0];
  EXPECT_EQ(of_host.host_logits, of_host.generated_tokens);
  EXPECT_GT(of_device.generated_tokens, 0u);
  EXPECT_EQ(of_device.host_logits, 0u);
}

}  // namespace
}  // namespace vernier::serve::test
