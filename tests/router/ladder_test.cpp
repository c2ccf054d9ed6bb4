// Ladders and decisions: which tier, why, and what overrules the score.
#include "vernier/router/ladder.hpp"

#include <gtest/gtest.h>

namespace vernier {
namespace {

using Router = RequestRouter<production>;

static_assert(production.rung_of(0.0f) == 0 && production.rung_of(0.3499f) == 0, "below the first threshold");
static_assert(production.rung_of(0.35f) == 1 && production.rung_of(0.65f) == 2 && production.rung_of(1.0f) == 2,
              "a threshold belongs to the next tier");
static_assert(production.rung_of(std::numeric_limits<float>::quiet_NaN()) == 2, "no number is no easy prompt");

constexpr Ladder all_middle = [] {
  Ladder l = production;
  l.score = {.entropy = 0, .lexical_density = 0, .code = 0, .json = 0, .math = 0, .unknown = 0.4f};
  return l;
}();

TEST(Ladder, EasyAndHardPromptsPart) {
  const Decision easy = Router::route("What is the capital of France?");
  EXPECT_EQ(easy.rung, 0u);
  EXPECT_EQ(easy.tier, production.rungs[0].tier);
  EXPECT_EQ(easy.reason, Reason::easy);
  const Decision code = Router::route(
      "int main() {\n  std::vector<int> v;\n  v.push_back(1);\n  if (v[0] == 2) return v[0];\n  return v.size();\n}\nWhat does it do?");
  EXPECT_EQ(name(code.tier), "i8");
  EXPECT_EQ(code.reason, Reason::code);
  const Decision hard = Router::route(
      "Prove the theorem: \\sum_{k=1}^n k^3 = (\\frac{n(n+1)}{2})^2. Solve the polynomial equation x^4 - 5x^2 + 4 = 0 with numpy, json "
      "output.");
  EXPECT_EQ(name(hard.tier), "f16");
  EXPECT_EQ(hard.reason, Reason::math);
}

TEST(Ladder, NoSignalGoesToTheMiddle) {
  for (const char* prompt : {"", "Hi", "???", "Was ist die Hauptstadt von Frankreich?"}) {
    const Decision d = Router::route(prompt);
    EXPECT_EQ(d.rung, 1u) << prompt;
    EXPECT_EQ(d.reason, Reason::no_signal) << prompt;
    EXPECT_EQ(d.score.value, production.score.unknown) << prompt;
  }
}

TEST(Ladder, DecisionsCarryScoreAndFeatures) {
  const Decision d = Router::route("How do I reverse a linked list in python?");
  EXPECT_EQ(d.features, extract_features("How do I reverse a linked list in python?"));
  EXPECT_EQ(d.score.value, score(production.score, d.features).value);
  EXPECT_EQ(explain(Router::route("Hi")), "i8: no-signal, score 0.5 (no signal)");
  EXPECT_EQ(explain(d).find("nf4: easy, score 0."), 0u) << explain(d);
  EXPECT_NE(explain(d).find(" + code 0."), std::string::npos) << explain(d);
}

TEST(Ladder, ForcedTiersAreTheirOwnReason) {
  const Decision d = Router::route("Hi", {.forced = "f16"});
  EXPECT_EQ(d.rung, 2u);
  EXPECT_EQ(d.reason, Reason::forced);
  EXPECT_FALSE(d.score.has_signal);
  try {
    Router::route("Hi", {.forced = "fp16", .available = {true, false, true}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "vernier::RequestRouter: no tier 'fp16'; loaded are nf4, f16");
  }
  EXPECT_THROW(Router::route("Hi", {.forced = "i8", .available = {true, false, true}}), Error);
}

TEST(Ladder, ASessionNeverFallsBack) {
  const Decision kept = Router::route("What is the capital of France?", {.at_least = 2});
  EXPECT_EQ(kept.rung, 2u);
  EXPECT_EQ(kept.reason, Reason::session);
  EXPECT_EQ(Router::route("Hi", {.at_least = 1}).reason, Reason::no_signal) << "the middle tier is high enough";
  EXPECT_EQ(Router::route("Hi", {.forced = "nf4", .at_least = 2}).rung, 0u) << "the user's word counts";
}

TEST(Ladder, MissingTiersAreReplacedUpwards) {
  const Decision up = Router::route("Hi", {.available = {true, false, true}});
  EXPECT_EQ(up.rung, 2u);
  EXPECT_EQ(up.reason, Reason::unavailable);
  EXPECT_EQ(Router::route("Hi", {.available = {true, false, false}}).rung, 0u);
  EXPECT_EQ(Router::route("Hi", {.at_least = 2, .available = {true, true, false}}).rung, 1u) << "the highest there is";
  EXPECT_THROW(Router::route("Hi", {.available = {false, false, false}}), Error);
}

TEST(Ladder, ScoresComeFromTheLaddersOwnWeights) {
  EXPECT_EQ(RequestRouter<all_middle>::route("Prove the theorem").rung, 0u) << "weights of zero score zero";
  EXPECT_EQ(RequestRouter<all_middle>::route("").rung, 1u);
}

TEST(Ladder, ReasonsHaveNames) {
  EXPECT_EQ(name(Reason::no_signal), "no-signal");
  EXPECT_EQ(name(Reason::math), name(Feature::math));
  EXPECT_EQ(name(Reason::entropy), name(Feature::entropy));
}

}  // namespace
}  // namespace vernier
