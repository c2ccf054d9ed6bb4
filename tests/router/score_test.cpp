// The score: a pure sum, provable while compiling.
#include "vernier/router/score.hpp"

#include <gtest/gtest.h>

namespace vernier {
namespace {

constexpr ScoreWeights weights{};
constexpr Features nothing{.words = 2, .function_words = 2};
constexpr Features prose{.entropy = 0.5f, .lexical_density = 0.4f, .words = 10, .function_words = 5};

static_assert(!has_signal(nothing) && score(weights, nothing).value == weights.unknown, "no signal scores `unknown`");
static_assert(has_signal(prose) && score(weights, prose).value == 0.2f * 0.5f + 0.25f * 0.4f, "a score is the sum of its parts");
static_assert(score(weights, Features{.math = 1}).leading() == Feature::math, "the largest part leads");
static_assert(score(weights, Features{.lexical_density = 1, .code = 0.5f}).leading() == Feature::code, "a topic leads before density");
static_assert(score(weights, Features{.lexical_density = 1, .code = 0.1f}).leading() == Feature::lexical_density,
              "a trace of a topic does not");

TEST(Score, SignalNeedsAWordOrASign) {
  EXPECT_FALSE(has_signal(extract_features("")));
  EXPECT_FALSE(has_signal(extract_features("Hi")));
  EXPECT_FALSE(has_signal(extract_features("Was ist die Hauptstadt von Frankreich?")));
  EXPECT_FALSE(has_signal(extract_features("\xE6\x97\xA5\xE6\x9C\xAC")));
  EXPECT_TRUE(has_signal(extract_features("How are you?")));
  EXPECT_TRUE(has_signal(extract_features("f()")));
  EXPECT_TRUE(has_signal(extract_features("json")));
}

TEST(Score, StaysInRange) {
  const Features all{.entropy = 1, .lexical_density = 1, .code = 1, .json = 1, .math = 1, .words = 9, .function_words = 9};
  EXPECT_EQ(score(weights, all).value, 1.0f);  // 1.25, clamped
  EXPECT_EQ(score(weights, Features{.words = 9, .function_words = 9}).value, 0.0f);
}

TEST(Score, EachFeatureCountsByItsWeight) {
  EXPECT_EQ(score(weights, Features{.code = 0.5f}).value, 0.15f);
  EXPECT_EQ(score(weights, Features{.json = 1}).parts[static_cast<int>(Feature::json)], 0.15f);
  EXPECT_EQ(score(weights, Features{.math = 1}).value, 0.35f);
  EXPECT_EQ(name(Feature::lexical_density), "lexical-density");
}

}  // namespace
}  // namespace vernier
