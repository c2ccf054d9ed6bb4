// What the GPU benchmarks do before a GPU is needed: the order of the work, and the lines they print.
#include "cuda/plan.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "cuda/row.hpp"
#include "cuda/tally.hpp"

namespace vernier::bench {
namespace {

TEST(GemmPlan, BeginsWithWhatMattersMost) {
  const std::vector<GemmCase> plan = gemm_plan({});
  ASSERT_FALSE(plan.empty());
  EXPECT_EQ(plan[0].format.name, "nf4");
  EXPECT_EQ(plan[0].model.name, "llama-8b");
  EXPECT_EQ(plan[0].layer.name, "gate_up");
  EXPECT_EQ(plan[0].tokens[0], 1);
  for (std::size_t i = 1; i < plan.size(); ++i) EXPECT_LE(plan[i - 1].importance, plan[i].importance);
}

TEST(GemmPlan, HasEveryFormatAndLayerOnce) {
  std::set<std::string> seen;
  for (const GemmCase& c : gemm_plan({})) EXPECT_TRUE(seen.insert(concat(c.model.name, c.layer.name, c.format.name)).second);
  EXPECT_EQ(seen.size(), 2 * llama_8b.layers.size() * gemm_formats.size());
}

TEST(GemmPlan, KeepsToWhatIsAskedFor) {
  const std::vector<GemmCase> plan =
      gemm_plan({.models = {"llama-1b"}, .formats = {"i8", "nf4"}, .layers = {"o", "head"}, .tokens = {512, 1}});
  ASSERT_EQ(plan.size(), 4u);
  for (const GemmCase& c : plan) EXPECT_EQ(c.tokens, c.layer.name == "head" ? std::vector<int>{1} : (std::vector<int>{512, 1}));
  EXPECT_EQ(plan[0].format.name, "i8");
  EXPECT_THROW((void)gemm_plan({.formats = {"f17"}}), Error);
  EXPECT_THROW((void)gemm_plan({.models = {"llama-7b"}}), Error);
}

TEST(GemmPlan, FormatsAreStorable) {
  for (const GemmFormat& format : gemm_formats) EXPECT_EQ(why_unsupported(format.weights), "") << format.name;
}

TEST(AttentionPlan, MeasuresEveryFormat) {
  const std::vector<AttentionCase> plan = attention_plan({.models = {"llama-8b"}});
  EXPECT_EQ(plan[0].kv, Precision::e4m3);
  EXPECT_EQ(plan[1].kv, Precision::f16);
  EXPECT_EQ(plan[0].depth, plan[1].depth);
  std::set<Precision> formats;
  for (const AttentionCase& c : plan) formats.insert(c.kv);
  EXPECT_EQ(formats.size(), 5u);
  EXPECT_THROW((void)attention_plan({.kv = {"nf4"}}), Error);
}

TEST(AttentionPlan, CountsWhatATokenSees) {
  const AttentionCase decode{llama_8b, Precision::f16, 2, 100, 1}, prefill{llama_8b, Precision::f16, 1, 0, 3};
  EXPECT_EQ(decode.pairs(), 101);
  EXPECT_EQ(prefill.pairs(), 1 + 2 + 3);
  EXPECT_EQ(decode.operations(), 2 * 4.0 * 32 * 128 * 101);
}

TEST(Copies, AreMoreThanTheCacheHolds) {
  for (const std::size_t bytes : {std::size_t{1} << 20, std::size_t{9437184}, std::size_t{1} << 30}) {
    const int copies = copies_for(bytes, std::size_t{50} << 20);
    EXPECT_GE(copies, 2);
    EXPECT_TRUE(copies == 256 || static_cast<std::size_t>(copies - 1) * bytes > 4 * (std::size_t{50} << 20)) << bytes;
  }
}

TEST(Row, IsJson) {
  Row inner;
  inner.add("x", 0.5);
  const Row row =
      Row("test").add("text", "a \"b\"\n\\").add("count", 3).add("none", std::nan("")).add("us", Spread::of({3, 1, 2})).add("in", inner);
  EXPECT_EQ(row.text(),
            "{\"kind\": \"test\", \"text\": \"a \\\"b\\\"\\u000a\\\\\", \"count\": 3, \"none\": null, "
            "\"us\": {\"median\": 2, \"min\": 1, \"max\": 3}, \"in\": {\"x\": 0.5}}");
}

TEST(Spread, OfAnEvenNumberLiesBetweenTheMiddleTwo) {
  const Spread s = Spread::of({4, 1, 3, 2});
  EXPECT_EQ(s.median, 2.5);
  EXPECT_EQ(s.min, 1);
  EXPECT_EQ(s.max, 4);
}

TEST(Tally, GoesOnAfterAFailureAndEndsAfterManyInARow) {
  Tally tally(0);
  const auto failing = [] { fail("test", "wrong result"); };
  int measured = 0;
  const auto right = [&] { ++measured; };
  for (int i = 1; i < Tally::most_failures; ++i) tally.attempt(failing);
  tally.attempt(right);
  EXPECT_EQ(measured, 1);
  for (int i = 0; i < Tally::most_failures; ++i) tally.attempt(failing);
  tally.attempt(right);
  EXPECT_EQ(measured, 1);
  EXPECT_EQ(tally.left(), 1);
  EXPECT_EQ(tally.failed(), 2 * Tally::most_failures - 1);
  EXPECT_EQ(tally.finish(), 1);
  EXPECT_EQ(Tally(0).finish(), 0);
}

TEST(Deadline, OfNothingNeverPasses) { EXPECT_FALSE(Deadline(0).passed()); }

}  // namespace
}  // namespace vernier::bench
