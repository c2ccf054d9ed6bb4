// Sampling: greedy and its tie rule, the filters and penalties against the distribution of the reference, seeds, and bad input.
#include "vernier/ops/sample.hpp"

#include <gtest/gtest.h>

#include "support/compare.hpp"
#include "vernier/ops/reference.hpp"

namespace vernier::ops {
namespace {

int draw(const std::vector<float>& logits, const SampleOptions& options, std::uint32_t stream = 0) {
  std::vector<float> copy = logits;
  return Sampler(options, stream).sample(copy);
}

std::string error_of(std::vector<float> logits, const SampleOptions& options) {
  try {
    Sampler(options).sample(logits);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Sample, GreedyTakesTheBestAndTheLowestOfEquals) {
  std::vector<float> logits = test::normal(1003, 1);
  const SampleOptions greedy{.temperature = 0};
  EXPECT_EQ(draw(logits, greedy), std::max_element(logits.begin(), logits.end()) - logits.begin());
  for (std::size_t at : {1002u, 700u, 16u, 3u}) {
    logits[at] = 50.0f;
    EXPECT_EQ(draw(logits, greedy), static_cast<int>(at));
  }
  EXPECT_EQ(draw({-INFINITY, -INFINITY, -1.0f}, greedy), 2);
}

// What is drawn 20,000 times with different seeds has the frequencies of the reference: each within 5 standard deviations.
void expect_distribution(const std::vector<float>& logits, SampleOptions options, const std::vector<int>& prompt = {},
                         const std::vector<int>& answer = {}) {
  const std::vector<double> want = reference::distribution(logits, options, prompt, answer);
  const int draws = 20000;
  std::vector<int> hits(logits.size(), 0);
  for (int i = 0; i < draws; ++i) {
    options.seed = static_cast<std::uint64_t>(i) * 7919;
    Sampler sampler(options);
    sampler.accept_prompt(prompt);
    for (int id : answer) sampler.accept(id);
    std::vector<float> copy = logits;
    ++hits[static_cast<std::size_t>(sampler.sample(copy))];
  }
  for (std::size_t id = 0; id < want.size(); ++id) {
    if (want[id] == 0) {
      EXPECT_EQ(hits[id], 0) << "token " << id << " is filtered out";
      continue;
    }
    const double deviation = std::sqrt(draws * want[id] * (1 - want[id]));
    EXPECT_LE(std::abs(hits[id] - draws * want[id]), 5 * deviation + 1) << "token " << id << " of probability " << want[id];
  }
}

TEST(Sample, FollowsTheDistribution) {
  const std::vector<float> logits = test::normal(23, 2, 2.0f);
  expect_distribution(logits, {});
  expect_distribution(logits, {.temperature = 0.5f});
  expect_distribution(logits, {.temperature = 1.7f, .top_k = 5});
  expect_distribution(logits, {.top_p = 0.8f});
  expect_distribution(logits, {.min_p = 0.1f});
  expect_distribution(logits, {.temperature = 1.3f, .top_k = 12, .top_p = 0.9f, .min_p = 0.05f});
}

TEST(Sample, PenaltiesAndBias) {
  const std::vector<float> logits = test::normal(19, 3, 1.5f);
  const std::vector<int> prompt{0, 1, 2, 3, 3}, answer{3, 4, 4, 4, 5};
  expect_distribution(logits, {.repetition_penalty = 1.6f}, prompt, answer);
  expect_distribution(logits, {.presence_penalty = 1.1f}, prompt, answer);
  expect_distribution(logits, {.frequency_penalty = -0.5f}, prompt, answer);
  expect_distribution(logits, {.logit_bias = {{2, 3.0f}, {7, -INFINITY}, {2, 0.5f}}});
  EXPECT_EQ(draw(logits, {.temperature = 0, .logit_bias = {{11, 100.0f}}}), 11);
}

TEST(Sample, NucleusBeyondTheFirstLookAndHugeTopK) {
  const std::vector<float> flat(5000, 1.0f);  // the nucleus of 0.9 has 4500 tokens, the lowest ids
  const SampleOptions nucleus{.top_p = 0.9f};
  int greatest = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SampleOptions options = nucleus;
    options.seed = seed;
    greatest = std::max(greatest, draw(flat, options));
  }
  EXPECT_LT(greatest, 4501);
  EXPECT_GT(greatest, 4300);
  EXPECT_EQ(draw(flat, {.top_k = 1 << 30, .seed = 5}), draw(flat, {.seed = 5}));
}

TEST(Sample, DegenerateFiltersLeaveTheBest) {
  const std::vector<float> logits = test::normal(100, 4);
  const int best = argmax(logits);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    EXPECT_EQ(draw(logits, {.top_p = 0.0f, .seed = seed}), best);
    EXPECT_EQ(draw(logits, {.top_k = 1, .seed = seed}), best);
    EXPECT_EQ(draw(logits, {.min_p = 1.0f, .seed = seed}), best);
    EXPECT_EQ(draw(logits, {.temperature = 1e-30f, .seed = seed}), best);
    EXPECT_EQ(draw({-INFINITY, 2.0f, -INFINITY}, {.seed = seed}), 1);
    EXPECT_EQ(draw({-INFINITY, 2.0f, -INFINITY}, {.top_k = 3, .seed = seed}), 1);
  }
}

TEST(Sample, SeedStreamAndIndexDecide) {
  const std::vector<float> flat(1000, 0.0f);
  const auto answer = [&](std::uint64_t seed, std::uint32_t stream) {
    Sampler sampler({.seed = seed}, stream);
    std::vector<int> ids;
    for (int i = 0; i < 20; ++i) {
      std::vector<float> copy = flat;
      ids.push_back(sampler.sample(copy));
      sampler.accept(ids.back());
    }
    return ids;
  };
  EXPECT_EQ(answer(1, 0), answer(1, 0));
  EXPECT_NE(answer(1, 0), answer(2, 0));
  EXPECT_NE(answer(1, 0), answer(1, 1));
  EXPECT_NE(answer(1, 0), answer(1ull << 40, 0));
}

TEST(Sample, TellsWhatItWouldDo) {
  const SampleOptions options{.temperature = 0.7f,
                              .top_k = 9,
                              .top_p = 0.8f,
                              .min_p = 0.1f,
                              .repetition_penalty = 1.2f,
                              .presence_penalty = 0.3f,
                              .frequency_penalty = 0.4f,
                              .logit_bias = {{5, 1.0f}, {2, -1.0f}, {5, 0.25f}},
                              .seed = 11};
  Sampler sampler(options, 3);
  sampler.accept_prompt(std::vector<int>{7, 5, 7});
  for (int id : {1, 5, 1, 99}) sampler.accept(id);
  ASSERT_EQ(sampler.most_adjustments(), 7u);  // token 99 is outside the vocabulary
  std::vector<LogitAdjustment> adjustments(7);
  const SampleRow row = sampler.row(20, adjustments);
  EXPECT_EQ(row.temperature, 0.7f);
  EXPECT_EQ(row.top_k, 9);
  EXPECT_EQ(row.top_p, 0.8f);
  EXPECT_EQ(row.min_p, 0.1f);
  EXPECT_EQ(row.repetition_penalty, 1.2f);
  EXPECT_EQ(row.presence_penalty, 0.3f);
  EXPECT_EQ(row.frequency_penalty, 0.4f);
  EXPECT_EQ(row.draw, uniform(11, 3, 4));
  ASSERT_EQ(row.num_adjustments, 6);
  const std::vector<LogitAdjustment> want{{1, 0, 2}, {2, -1.0f, -1}, {5, 1.0f, -1}, {5, 0.25f, -1}, {5, 0, 1}, {7, 0, 0}};
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(adjustments[i].id, want[i].id) << i;
    EXPECT_EQ(adjustments[i].bias, want[i].bias) << i;
    EXPECT_EQ(adjustments[i].count, want[i].count) << i;
  }
  EXPECT_THROW((void)sampler.row(5, adjustments), Error);
}

TEST(Sample, PhiloxIsTheWrittenOne) {  // two of the known answers that the authors publish with the generator
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Sample, SaysWhatIsWrong) {
  const float nan = std::nanf("");
  for (float temperature : {0.0f, 1.0f}) {
    EXPECT_NE(error_of({1, 2, nan, 3}, {.temperature = temperature}).find("token 2 is nan"), std::string::npos);
    EXPECT_NE(error_of({1, 2, INFINITY}, {.temperature = temperature}).find("token 2 is inf"), std::string::npos);
    EXPECT_NE(error_of({-INFINITY, -INFINITY}, {.temperature = temperature}).find("all 2 logits are -infinity"), std::string::npos);
    EXPECT_NE(error_of({}, {.temperature = temperature}).find("all 0 logits"), std::string::npos);
  }
  std::vector<float> long_row(100, 0.0f);
  long_row[37] = nan;
  EXPECT_NE(error_of(long_row, {}).find("token 37 is nan"), std::string::npos);
  EXPECT_NE(error_of({1, 2}, {.logit_bias = {{2, 1.0f}}}).find("names token 2"), std::string::npos);
  EXPECT_NE(error_of({1}, {.temperature = -1}).find("temperature = -1"), std::string::npos);
  EXPECT_NE(error_of({1}, {.temperature = nan}).find("temperature = nan"), std::string::npos);
  EXPECT_NE(error_of({1}, {.top_k = -1}).find("top_k = -1"), std::string::npos);
  EXPECT_NE(error_of({1}, {.top_p = 1.5f}).find("top_p = 1.5"), std::string::npos);
  EXPECT_NE(error_of({1}, {.min_p = nan}).find("min_p = nan"), std::string::npos);
  EXPECT_NE(error_of({1}, {.repetition_penalty = 0}).find("repetition_penalty = 0"), std::string::npos);
  EXPECT_NE(error_of({1}, {.presence_penalty = INFINITY}).find("presence_penalty = inf"), std::string::npos);
  EXPECT_NE(error_of({1}, {.logit_bias = {{-1, 1.0f}}}).find("logit_bias has token -1"), std::string::npos);
  EXPECT_NE(error_of({1}, {.logit_bias = {{0, nan}}}).find("logit_bias has token 0 with"), std::string::npos);
}

}  // namespace
}  // namespace vernier::ops
