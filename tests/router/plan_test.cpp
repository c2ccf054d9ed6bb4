// Layer plans: matching of names, the file format and what its errors say.
#include "vernier/router/plan.hpp"

#include <gtest/gtest.h>

namespace vernier {
namespace {

static_assert(matches_glob("*.mlp.*", "model.layers.0.mlp.up_proj.weight"), "stars cross dots");
static_assert(matches_glob("*", "") && matches_glob("", "") && !matches_glob("?", "") && !matches_glob("", "a"), "the empty name");
static_assert(matches_glob("a*b*c", "axxbyyc") && !matches_glob("a*b*c", "axxcyyb") && matches_glob("a**c", "ac"), "several stars");
static_assert(matches_glob("layers.?.", "layers.7.") && !matches_glob("layers.?.", "layers.17."), "one character");

std::string error_of(std::string_view text) {
  try {
    LayerPlan::parse(text, "my.plan");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Plan, TheFirstRuleThatMatchesWins) {
  const LayerPlan plan = LayerPlan::parse(
      "# a comment\n\n  *.layers.0.* = f16   # the first layer stays exact\r\n*.mlp.*=nf4\n*.self_attn.* = e4m3\nlm_head = bf16\ndefault = "
      "i8");
  EXPECT_EQ(plan.format("model.layers.0.mlp.up_proj.weight"), Precision::f16);
  EXPECT_EQ(plan.format("model.layers.10.mlp.up_proj.weight"), Precision::nf4);
  EXPECT_EQ(plan.format("model.layers.3.self_attn.q_proj.weight"), Precision::e4m3);
  EXPECT_EQ(plan.format("lm_head.weight"), Precision::bf16);
  EXPECT_EQ(plan.format("lm_head"), Precision::bf16);
  EXPECT_EQ(plan.format("model.embed_tokens.weight"), Precision::i8);
  EXPECT_EQ(plan.rules()[1].line, 4);
}

TEST(Plan, IsWrittenAsItIsRead) {
  const std::string text = "*.mlp.* = nf4\n*.self_attn.* = e4m3\nlm_head = f16\ndefault = f16\n";
  EXPECT_EQ(LayerPlan::parse(text).text(), text);
  EXPECT_EQ(mixed_plan().text(), text);
}

TEST(Plan, ErrorsNameLineDefectAndChoices) {
  const std::string formats = "f16, bf16, i8, e4m3, e5m2, nf4";
  EXPECT_EQ(error_of("default = i8\n*.mlp.* nf4"), "my.plan: line 2: expected `pattern = format`, got '*.mlp.* nf4'");
  EXPECT_EQ(error_of("\n\n*.mlp.* = int4"), "my.plan: line 3: unknown format 'int4'; choose one of " + formats);
  EXPECT_EQ(error_of("x = f32\n"), "my.plan: line 1: unknown format 'f32'; choose one of " + formats);
  EXPECT_EQ(error_of("= nf4"), "my.plan: line 1: no pattern before '='; write one such as `*.mlp.* = nf4`, or `default = nf4`");
  EXPECT_EQ(error_of("a b = nf4"), "my.plan: line 1: the pattern 'a b' holds a space");
  EXPECT_EQ(error_of("default = i8\ndefault = nf4"), "my.plan: line 2: a second default; the first is on line 1");
  EXPECT_EQ(error_of("*.mlp.* = nf4"), "my.plan: no default; add a line such as `default = i8` (" + formats + ")");
  EXPECT_EQ(error_of(""), error_of("# nothing\n"));
  const std::string binary = error_of(std::string(1000, '\x01'));
  EXPECT_LT(binary.size(), 150u) << binary;
  EXPECT_EQ(binary.find('\x01'), std::string::npos);
}

TEST(Plan, BuiltInPlansAndTiers) {
  EXPECT_EQ(LayerPlan(Tier{.weights = Precision::nf4}).format("anything"), Precision::nf4);
  EXPECT_EQ(named_plan("e5m2").fallback(), Precision::e5m2);
  EXPECT_EQ(named_plan("mixed").format("model.layers.0.mlp.gate_proj.weight"), Precision::nf4);
  try {
    named_plan("q4");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "vernier::named_plan: no plan 'q4'; choose mixed, f16, bf16, i8, e4m3, e5m2, nf4, or give a file");
  }
}

TEST(Plan, FindsRulesThatDecideNothing) {
  const std::vector<std::string> tensors{"model.layers.0.mlp.up_proj.weight", "lm_head.weight"};
  const LayerPlan plan = LayerPlan::parse("*.mlp.* = nf4\n*.up_proj = i8\n*.mpl.* = i8\nlm_head = f16\ndefault = bf16");
  const std::vector<PlanRule> unused = plan.unused(tensors);
  ASSERT_EQ(unused.size(), 2u);
  EXPECT_EQ(unused[0].line, 2) << "all that it fits is taken by the rule before";
  EXPECT_EQ(unused[1].pattern, "*.mpl.*");
}

}  // namespace
}  // namespace vernier
