// The engine under many clients at once: the same answers as alone, nothing lost, no page leaked, whatever is cancelled or fails.
#include <gtest/gtest.h>

#include <random>

#include "server/engine_support.hpp"

namespace vernier::serve::test {
namespace {

struct Client {
  GenerationRequest request;
  Listener listener;
  bool cancelled = false;
};

GenerationRequest request_of(int client, int tiers) {
  std::mt19937 random(static_cast<unsigned>(client));
  GenerationRequest r{.prompt = toy_prompt(1 + static_cast<int>(random() % 60), static_cast<unsigned>(client))};
  if (client % 2 == 0) r.prompt.insert(r.prompt.begin(), {7, 8, 9, 10, 11, 12, 13, 14, 15});  // what several begin with
  r.tier = static_cast<int>(random() % static_cast<unsigned>(tiers));
  r.max_tokens = 1 + static_cast<int>(random() % 60);
  r.sampling.temperature = client % 3 == 0 ? 1.0f : 0.0f;
  r.sampling.seed = random();
  if (client % 5 == 0) r.stop = {"Q", "7x"};
  if (client % 7 == 0) r.n = 3;
  return r;
}

void expect_same(Client& client, const std::vector<ToyConfig>& configs) {
  ASSERT_TRUE(client.listener.wait());
  EXPECT_FALSE(client.listener.out_of_order());
  if (client.cancelled) return;
  for (int choice = 0; choice < client.request.n; ++choice) {
    const Listener::Answer want = alone(client.request, configs, choice), got = client.listener.answer(choice);
    EXPECT_EQ(got.text, want.text);
    EXPECT_EQ(got.finish, want.finish);
    EXPECT_EQ(got.error, "");
  }
}

TEST(EngineCrowd, ThirtyTwoClientsGetTheirOwnAnswers) {
  std::vector<ToyConfig> configs{{.salt = 1}, {.salt = 2}, {.salt = 3}};
  ToyEngine toy(configs, {.max_sequences = 12, .chunk_tokens = 16});
  std::vector<Client> clients(32);
  std::vector<std::thread> threads;
  for (int i = 0; i < 32; ++i)
    threads.emplace_back([&, i] {
      Client& client = clients[static_cast<std::size_t>(i)];
      client.request = request_of(i, 3);
      const Submitted s = toy.engine.submit(client.request, client.listener.callback());
      ASSERT_EQ(s.status, Submitted::Status::accepted) << s.message;
      if (i % 4 != 1) return;
      client.listener.wait_for_events(i % 3 * 2);
      toy.engine.cancel(s.id);
      client.cancelled = true;
    });
  for (std::thread& thread : threads) thread.join();
  for (Client& client : clients) expect_same(client, configs);
  EXPECT_EQ(toy.engine.drain(std::chrono::seconds(10)), 0);
  for (const TierStats& tier : toy.engine.stats().tiers) {
    EXPECT_EQ(tier.pages_used, 0);
    EXPECT_EQ(tier.running + tier.waiting, 0);
  }
}

TEST(EngineCrowd, TinyPoolPreemptsAndLosesNothing) {
  const std::vector<ToyConfig> configs{{.context = 130, .pages = 35, .page_tokens = 4}};
  ToyEngine toy(configs, {.max_sequences = 16, .chunk_tokens = 24});
  std::vector<Client> clients(24);
  for (int i = 0; i < 24; ++i) {
    Client& client = clients[static_cast<std::size_t>(i)];
    client.request = request_of(i, 1);
    client.request.max_tokens = 60;
    client.request.ignore_end = true;
    ASSERT_EQ(toy.engine.submit(client.request, client.listener.callback()).status, Submitted::Status::accepted);
  }
  for (Client& client : clients) expect_same(client, configs);
  EXPECT_GT(toy.engine.stats().preemptions, 0u);
  toy.engine.drain(std::chrono::seconds(10));
  EXPECT_EQ(toy.watch->free_pages, 35);
  EXPECT_EQ(toy.watch->open_sequences, 0);
}

TEST(EngineCrowd, ALongPromptDoesNotHoldUpTheOthers) {
  ToyEngine toy(ToyConfig{.context = 4000, .pages = 2000, .endless = true}, {.chunk_tokens = 8});
  Listener writer, reader;
  toy.engine.submit({.prompt = {5}, .max_tokens = 100}, writer.callback());
  toy.engine.submit({.prompt = toy_prompt(3000, 1), .max_tokens = 1}, reader.callback());
  ASSERT_TRUE(writer.wait());
  ASSERT_TRUE(reader.wait());
  // The prompt takes 3000 / 7 = 428 steps beside the writer, which needs 100.
  EXPECT_LT(writer.timing.total, reader.timing.total);
  EXPECT_LE(toy.watch->most_tokens, 8);
}

TEST(EngineCrowd, AFaultHitsItsRequestAlone) {
  const std::vector<ToyConfig> configs{{.endless = true}};
  ToyEngine toy(configs);
  std::vector<Client> clients(9);
  for (int i = 0; i < 9; ++i) {
    Client& client = clients[static_cast<std::size_t>(i)];
    client.request = {.prompt = toy_prompt(9, static_cast<unsigned>(i)), .max_tokens = 30, .sampling = {.temperature = 0}};
    if (i == 4) client.request.prompt[5] = toy_poison;
    if (i == 6) client.request.prompt[2] = toy_nan;
    if (i == 4) client.request.n = 3;
    toy.engine.submit(client.request, client.listener.callback());
  }
  for (int i = 0; i < 9; ++i) {
    Client& client = clients[static_cast<std::size_t>(i)];
    if (i != 4 && i != 6) {
      expect_same(client, configs);
      continue;
    }
    ASSERT_TRUE(client.listener.wait());
    for (int choice = 0; choice < client.request.n; ++choice) {
      EXPECT_EQ(client.listener.answer(choice).finish, FinishReason::failed);
      EXPECT_NE(client.listener.answer(choice).error.find(i == 4 ? "does not like token 95" : "is nan"), std::string::npos);
    }
  }
  toy.engine.drain(std::chrono::seconds(10));
  EXPECT_EQ(toy.watch->free_pages, 64);
  EXPECT_EQ(toy.engine.stats().failed, 4u);
}

TEST(EngineCrowd, TheQueueIsBounded) {
  ToyEngine toy(ToyConfig{.endless = true, .delay = std::chrono::milliseconds(2)}, {.max_sequences = 1, .max_queue = 3});
  std::vector<Listener> listeners(20);
  std::vector<GenerationId> ids;
  int full = 0;
  for (Listener& listener : listeners) {
    const Submitted s = toy.engine.submit({.prompt = {9}, .max_tokens = 50}, listener.callback());
    if (s.status == Submitted::Status::accepted)
      ids.push_back(s.id);
    else
      full += s.status == Submitted::Status::queue_full ? 1 : 0;
  }
  EXPECT_GE(full, 16);  // one runs, three wait
  EXPECT_EQ(ids.size() + static_cast<std::size_t>(full), listeners.size());
  for (GenerationId id : ids) toy.engine.cancel(id);
  EXPECT_EQ(toy.engine.drain(std::chrono::seconds(10)), 0);
  EXPECT_EQ(toy.engine.stats().cancelled, ids.size());
  EXPECT_EQ(toy.engine.submit({.prompt = {9}}, [](const GenerationEvent&) {}).status, Submitted::Status::draining);
}

TEST(EngineCrowd, DrainWaitsThenCancels) {
  ToyEngine toy(ToyConfig{.context = 4000, .pages = 2000, .endless = true, .delay = std::chrono::milliseconds(1)});
  Listener quick, endless;
  toy.engine.submit({.prompt = {9}, .max_tokens = 3}, quick.callback());
  toy.engine.submit({.prompt = {8}}, endless.callback());
  EXPECT_EQ(toy.engine.drain(std::chrono::milliseconds(300)), 1);
  EXPECT_TRUE(quick.done());
  EXPECT_EQ(quick.answer().finish, FinishReason::length);
  EXPECT_TRUE(endless.done());
  EXPECT_EQ(endless.answer().finish, FinishReason::cancelled);
  EXPECT_FALSE(endless.answer().text.empty());
  EXPECT_EQ(toy.watch->free_pages, 2000);
}

TEST(EngineCrowd, TheDestructorEndsEverything) {
  Listener listener, waiting;
  {
    ToyEngine toy(ToyConfig{.context = 4000, .pages = 2000, .endless = true, .delay = std::chrono::milliseconds(1)}, {.max_sequences = 1});
    toy.engine.submit({.prompt = {9}}, listener.callback());
    toy.engine.submit({.prompt = {9}}, waiting.callback());
    listener.wait_for_events(2);
  }
  EXPECT_TRUE(listener.done());
  EXPECT_TRUE(waiting.done());
  EXPECT_EQ(waiting.answer().finish, FinishReason::cancelled);
}

TEST(EngineCrowd, ACallbackThatThrowsCancelsItsRequestOnly) {
  ToyEngine toy(ToyConfig{.endless = true});
  Listener other;
  int calls = 0;
  toy.engine.submit({.prompt = {9}, .n = 2}, [&](const GenerationEvent&) {
    ++calls;
    throw std::runtime_error("the client is gone");
  });
  toy.engine.submit({.prompt = {9}, .max_tokens = 5}, other.callback());
  ASSERT_TRUE(other.wait());
  EXPECT_EQ(toy.engine.drain(std::chrono::seconds(10)), 0);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(toy.engine.stats().cancelled, 2u);
  EXPECT_EQ(toy.watch->free_pages, 64);
}

}  // namespace
}  // namespace vernier::serve::test
