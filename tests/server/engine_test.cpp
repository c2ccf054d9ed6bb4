// The engine's promises for one request at a time: what it refuses, how answers end, what the events say.
#include "server/engine/engine.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>

#include "server/engine/answer_text.hpp"
#include "server/engine_support.hpp"

namespace vernier::serve::test {
namespace {

GenerationRequest greedy(std::vector<int> prompt, int max_tokens = 20) {
  return {.prompt = std::move(prompt), .max_tokens = max_tokens, .sampling = {.temperature = 0}};
}

TEST(Engine, AnswersAndCounts) {
  ToyEngine toy(ToyConfig{.endless = true});
  Listener listener;
  const Submitted submitted = toy.engine.submit(greedy(toy_prompt(10, 1)), listener.callback());
  EXPECT_EQ(submitted.status, Submitted::Status::accepted);
  EXPECT_GT(submitted.id, 0u);
  ASSERT_TRUE(listener.wait());
  EXPECT_EQ(listener.answer().finish, FinishReason::length);
  EXPECT_EQ(listener.usage.prompt_tokens, 10);
  EXPECT_EQ(listener.usage.completion_tokens, 20);
  EXPECT_GT(listener.timing.total, 0);
  EXPECT_GE(listener.timing.total, listener.timing.first_token);
  EXPECT_EQ(toy.engine.drain(std::chrono::seconds(10)), 0);
  const EngineStats stats = toy.engine.stats();
  EXPECT_EQ(stats.finished_length, 1u);
  EXPECT_EQ(stats.tiers[0].requests, 1u);
  EXPECT_EQ(stats.tiers[0].prompt_tokens, 10u);
  EXPECT_EQ(stats.tiers[0].generated_tokens, 20u);
  EXPECT_EQ(stats.tiers[0].pages_used, 0);
  EXPECT_EQ(stats.queued_requests, 0);
}

TEST(Engine, SpareTimeIsUsedUntilNothingIsLeftAndGivesWayToRequests) {
  struct Work {
    std::mutex mutex;
    std::condition_variable changed;
    int allowed = 0, done = 0;  // pieces
    bool piece() {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return done < allowed; });
      ++done;
      changed.notify_all();
      return done < 5;
    }
    void allow(int pieces) {
      const std::scoped_lock lock(mutex);
      allowed = pieces;
      changed.notify_all();
    }
    bool reaches(int pieces) {
      std::unique_lock lock(mutex);
      return changed.wait_for(lock, std::chrono::seconds(60), [&] { return done >= pieces; });
    }
  };
  const auto work = std::make_shared<Work>();
  Engine engine(toy_tiers({ToyConfig{.endless = true}}, std::make_shared<ToyWatch>()), std::make_shared<ToyVocabulary>(), {},
                [work] { return work->piece(); });
  work->allow(2);
  ASSERT_TRUE(work->reaches(2));  // and waits in the third
  Listener listener;
  engine.submit(greedy(toy_prompt(10, 1)), listener.callback());
  work->allow(3);
  ASSERT_TRUE(listener.wait());  // behind the third piece, before the fourth, which is not allowed yet
  EXPECT_EQ(listener.answer().finish, FinishReason::length);
  work->allow(100);
  ASSERT_TRUE(work->reaches(5));
  Listener another;
  engine.submit(greedy(toy_prompt(10, 1)), another.callback());
  ASSERT_TRUE(another.wait());
  EXPECT_EQ(engine.drain(std::chrono::seconds(10)), 0);
  EXPECT_EQ(work->done, 5);
}

TEST(Engine, RefusesWithValues) {
  ToyEngine toy(std::vector<ToyConfig>{{.context = 50}, {.context = 1000, .pages = 5}}, {.max_n = 4});
  const auto refused = [&](GenerationRequest request) {
    const Submitted s = toy.engine.submit(std::move(request), [](const GenerationEvent&) { FAIL() << "a refused request has no events"; });
    EXPECT_NE(s.status, Submitted::Status::accepted);
    return s;
  };
  EXPECT_EQ(toy.engine.capacity(0), 50);
  EXPECT_EQ(toy.engine.capacity(1), 20);  // 5 pages of 4
  const Submitted too_long = refused(greedy(toy_prompt(50, 1)));
  EXPECT_EQ(too_long.status, Submitted::Status::prompt_too_long);
  EXPECT_NE(too_long.message.find("has 50 tokens"), std::string::npos);
  EXPECT_NE(too_long.message.find("at most 49"), std::string::npos);
  const auto invalid = [&](auto change) {
    GenerationRequest request = greedy({5, 6});
    change(request);
    const Submitted s = refused(request);
    EXPECT_EQ(s.status, Submitted::Status::invalid);
    return s.message;
  };
  using R = GenerationRequest;
  EXPECT_NE(invalid([](R& r) { r.prompt.clear(); }).find("no tokens"), std::string::npos);
  EXPECT_NE(invalid([](R& r) { r.prompt[1] = 96; }).find("token 1 of the prompt is 96"), std::string::npos);
  EXPECT_NE(invalid([](R& r) { r.prompt[0] = -1; }).find("is -1"), std::string::npos);
  EXPECT_NE(invalid([](R& r) { r.tier = 2; }).find("tier = 2"), std::string::npos);
  EXPECT_NE(invalid([](R& r) { r.n = 5; }).find("n = 5, expected 1 to 4"), std::string::npos);
  EXPECT_NE(invalid([](R& r) { r.n = 0; }).find("n = 0"), std::string::npos);
  EXPECT_NE(invalid([](R& r) { r.max_tokens = -1; }).find("max_tokens = -1"), std::string::npos);
  EXPECT_NE(invalid([](R& r) { r.top_logprobs = 21; }).find("top_logprobs = 21"), std::string::npos);
  EXPECT_NE(invalid([](R& r) { r.stop = {"a", ""}; }).find("stop string is empty"), std::string::npos);
  EXPECT_NE(invalid([](R& r) { r.sampling.top_p = 2; }).find("top_p = 2"), std::string::npos);
  EXPECT_NE(invalid([](R& r) { r.sampling.logit_bias = {{96, 1.0f}}; }).find("logit_bias names token 96"), std::string::npos);
  EXPECT_GE(toy.engine.stats().refused, 12u);
}

TEST(Engine, EndsAtTheCapacity) {
  ToyEngine toy(ToyConfig{.context = 1000, .pages = 5, .endless = true});
  Listener listener;
  toy.engine.submit(greedy(toy_prompt(10, 2), 0), listener.callback());
  ASSERT_TRUE(listener.wait());
  EXPECT_EQ(listener.answer().finish, FinishReason::length);
  EXPECT_EQ(listener.usage.completion_tokens, 10);  // 20 positions, 10 of them the prompt's
}

TEST(Engine, EndOfTextStopIdsAndStopStrings) {
  GenerationRequest request = greedy(toy_prompt(6, 3), 200);
  const Listener::Answer whole = alone(request, {{.endless = true}});
  ASSERT_GT(whole.text.size(), 100u);

  request.sampling.logit_bias = {{toy_end, 1000.0f}};
  EXPECT_EQ(alone(request, {{}}).finish, FinishReason::stop);
  EXPECT_EQ(alone(request, {{}}).text, "");
  request.ignore_end = true;
  EXPECT_EQ(alone(request, {{}}).finish, FinishReason::length);

  request = greedy(toy_prompt(6, 3), 200);
  request.stop = {whole.text.substr(50, 7), "never"};
  const std::size_t at = whole.text.find(request.stop[0]);
  Listener::Answer cut = alone(request, {{.endless = true}});
  EXPECT_EQ(cut.finish, FinishReason::stop);
  EXPECT_EQ(cut.text, whole.text.substr(0, at));
  EXPECT_EQ(cut.stop, request.stop[0]);

  request.stop = {};
  request.stop_ids = {whole.text[20] - ' '};
  cut = alone(request, {{.endless = true}});
  EXPECT_EQ(cut.finish, FinishReason::stop);
  EXPECT_EQ(cut.text, whole.text.substr(0, whole.text.find(whole.text[20])));
}

TEST(Engine, LogprobsBelongToTheTokens) {
  ToyEngine toy(ToyConfig{.endless = true});
  GenerationRequest request = greedy(toy_prompt(5, 4), 12);
  request.logprobs = true;
  request.top_logprobs = 3;
  Listener listener;
  toy.engine.submit(request, listener.callback());
  ASSERT_TRUE(listener.wait());
  const Listener::Answer answer = listener.answer();
  ASSERT_EQ(answer.tokens.size(), 12u);
  std::string bytes;
  for (const GeneratedToken& token : answer.tokens) {
    bytes += token.bytes;
    ASSERT_EQ(token.top.size(), 3u);
    EXPECT_EQ(token.top[0].id, token.id);  // greedy: the best
    EXPECT_EQ(token.top[0].logprob, token.logprob);
    EXPECT_LT(token.logprob, 0);
  }
  std::string clean;
  take_characters(bytes, true, clean);
  EXPECT_EQ(clean, answer.text);
}

TEST(Engine, ManyAnswersShareThePrompt) {
  for (int pages : {64, 12}) {  // with room for all, and with preemptions
    ToyEngine toy(ToyConfig{.pages = pages, .endless = true}, {.max_sequences = 3, .cached_prefixes = 0});
    GenerationRequest request{.prompt = toy_prompt(21, 5), .n = 4, .max_tokens = 15, .sampling = {.seed = 77}};
    Listener listener;
    toy.engine.submit(request, listener.callback());
    ASSERT_TRUE(listener.wait());
    EXPECT_EQ(listener.usage.completion_tokens, 60);
    for (int choice = 0; choice < 4; ++choice) {
      EXPECT_EQ(listener.answer(choice).text, alone(request, {{.endless = true}}, choice).text) << "choice " << choice;
      EXPECT_NE(listener.answer(choice).text, listener.answer((choice + 1) % 4).text);
    }
    EXPECT_FALSE(listener.out_of_order());
    toy.engine.drain(std::chrono::seconds(10));
    EXPECT_EQ(toy.watch->free_pages, pages);
    EXPECT_EQ(toy.watch->open_sequences, 0);
    if (pages < 64) continue;
    EXPECT_EQ(toy.engine.stats().tiers[0].prompt_tokens, 42u);  // once, and for the fourth, which had no place
  }
}

TEST(Engine, TheNextTurnFindsThePrefix) {
  ToyEngine toy(ToyConfig{.endless = true});
  GenerationRequest request = greedy(toy_prompt(30, 7), 9);
  const auto ask = [&](int cached) {
    Listener listener;
    toy.engine.submit(request, listener.callback());
    EXPECT_TRUE(listener.wait());
    EXPECT_EQ(listener.usage.cached_tokens, cached);
    EXPECT_EQ(listener.answer().text, alone(request, {{.endless = true}}).text);
  };
  ask(0);
  ask(29);  // all but the last token, whose logits are needed
  for (int id : toy_prompt(10, 8)) request.prompt.push_back(id);
  ask(30);
  ask(39);
  request.prompt[10] = 50;  // the 9th and 10th token are in a page that is shared in part
  ask(10);
  request.prompt[3] = 51;
  ask(0);  // less than a page
  const EngineStats stats = toy.engine.stats();
  EXPECT_EQ(stats.tiers[0].cached_tokens, 29u + 30 + 39 + 10);
  EXPECT_EQ(stats.tiers[0].prompt_tokens, 30u + 1 + 10 + 1 + 30 + 40);
  toy.engine.drain(std::chrono::seconds(10));
  EXPECT_EQ(toy.watch->free_pages, 64);
  EXPECT_EQ(toy.watch->open_sequences, 0);
}

TEST(Engine, CachedPagesGiveWay) {
  ToyEngine toy(ToyConfig{.context = 1000, .pages = 20, .endless = true});  // 80 tokens
  for (unsigned i = 0; i < 12; ++i) {
    const GenerationRequest request = greedy(toy_prompt(30 + static_cast<int>(i) * 4, i % 3), 5);
    Listener listener;
    toy.engine.submit(request, listener.callback());
    ASSERT_TRUE(listener.wait());
    EXPECT_EQ(listener.answer().text, alone(request, {{.context = 1000, .endless = true}}).text);
  }
  EXPECT_EQ(toy.engine.stats().preemptions, 0u);
  toy.engine.drain(std::chrono::seconds(10));
  EXPECT_EQ(toy.watch->free_pages, 20);
}

TEST(Engine, SeedsDecide) {
  GenerationRequest request{.prompt = toy_prompt(8, 6), .max_tokens = 30, .sampling = {.seed = 1}};
  const std::string first = alone(request, {{}}).text;
  EXPECT_EQ(alone(request, {{}}).text, first);
  request.sampling.seed = 2;
  EXPECT_NE(alone(request, {{}}).text, first);
}

}  // namespace
}  // namespace vernier::serve::test
