// Log-probabilities and the best few, against a full sort and a sum in double.
#include "vernier/ops/logits.hpp"

#include <gtest/gtest.h>

#include "support/compare.hpp"
#include "vernier/ops/reference.hpp"

namespace vernier::ops {
namespace {

TEST(Logits, TopIdsEqualAStableSort) {
  for (std::size_t vocabulary : {1u, 7u, 1000u}) {
    std::vector<float> logits = test::normal(vocabulary, 1);
    for (float& x : logits) x = std::round(x * 4);  // many ties
    std::vector<int> order(vocabulary);
    for (std::size_t i = 0; i < vocabulary; ++i) order[i] = static_cast<int>(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)]; });
    for (std::size_t count : {0u, 1u, 5u, 256u, 5000u}) {
      const std::size_t held = std::min(count, vocabulary);
      EXPECT_EQ(top_ids(logits, count), std::vector<int>(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(held)));
    }
  }
}

TEST(Logits, LogprobsMatchReference) {
  const std::vector<float> logits = test::normal(4099, 2, 5.0f);
  const std::vector<double> want = reference::log_softmax(std::vector<double>(logits.begin(), logits.end()));
  const Logprobs logprobs(logits);
  test::Worst worst;
  for (std::size_t i = 0; i < logits.size(); ++i)
    // The sum of positive exponentials keeps exp's four roundoffs and one of each difference (at most 50 in size, times 2^-24); the
    // result rounds once.
    worst.add(i, want[i], static_cast<double>(logprobs(static_cast<int>(i))), (4 + 50 + std::abs(want[i])) * 0x1p-24);
  EXPECT_LE(worst.excess, 0) << worst.text();

  const auto top = logprobs.top(3);
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0].id, argmax(logits));
  EXPECT_EQ(top[0].logprob, logprobs(top[0].id));
  EXPECT_GE(top[0].logprob, top[1].logprob);
  EXPECT_GE(top[1].logprob, top[2].logprob);
}

TEST(Logits, ImpossibleTokensHaveNoProbability) {
  const std::vector<float> logits{0.0f, -INFINITY, 0.0f};
  const Logprobs logprobs(logits);
  EXPECT_EQ(logprobs(1), -INFINITY);
  EXPECT_FLOAT_EQ(logprobs(0), -0.6931472f);
  EXPECT_THROW(Logprobs(std::vector<float>{std::nanf(""), 1}), Error);
}

}  // namespace
}  // namespace vernier::ops
