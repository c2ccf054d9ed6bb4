// Merging states of parts gives the state of the whole; empty states change nothing and NaN is kept.
#include "vernier/attention/online_softmax.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/compare.hpp"

namespace vernier {
namespace {

struct Part {
  OnlineSoftmax state;
  float acc[2] = {};
};

/// The state of keys [begin, end), key by key.
Part part_of(const std::vector<float>& scores, const std::vector<float>& values, std::size_t begin, std::size_t end) {
  Part part;
  for (std::size_t i = begin; i < end; ++i) {
    const float one[] = {values[2 * i], values[2 * i + 1]};
    part.state.merge(part.acc, {scores[i], 1.0f}, one, 2);
  }
  return part;
}

TEST(OnlineSoftmax, MergedPartsAreTheWhole) {
  const auto scores = test::normal(100, 1, 20.0f), values = test::normal(200, 2);
  double largest = -1e30, sum = 0, mean[2] = {};
  for (float s : scores) largest = std::max(largest, static_cast<double>(s));
  for (std::size_t i = 0; i < 100; ++i) {
    const double w = std::exp2(static_cast<double>(scores[i]) - largest);
    sum += w;
    for (std::size_t d = 0; d < 2; ++d) mean[d] += w * static_cast<double>(values[2 * i + d]);
  }
  for (std::size_t cut : {0u, 1u, 37u, 99u, 100u}) {
    Part a = part_of(scores, values, 0, cut);
    const Part b = part_of(scores, values, cut, 100);
    a.state.merge(a.acc, b.state, b.acc, 2);
    float out[2];
    a.state.finish(a.acc, out, 2);
    // 101 merges of at most five roundings each, in numerator and denominator, of values below 5.
    for (int d = 0; d < 2; ++d) EXPECT_NEAR(static_cast<double>(out[d]), mean[d] / sum, 2 * 101 * 5 * 5 * 0x1p-24) << "cut " << cut;
  }
}

TEST(OnlineSoftmax, EmptyStatesChangeNoBit) {
  Part a;
  a.state = {3.0f, 0.7f};
  a.acc[0] = -0.0f;
  const Part empty;
  const Part before = a;
  a.state.merge(a.acc, empty.state, empty.acc, 2);
  EXPECT_EQ(a.state.max, before.state.max);
  EXPECT_EQ(a.state.sum, before.state.sum);
  EXPECT_TRUE(std::signbit(a.acc[0]));

  Part fresh;
  fresh.state.merge(fresh.acc, before.state, before.acc, 2);
  EXPECT_EQ(fresh.state.sum, 0.7f);
  EXPECT_TRUE(std::signbit(fresh.acc[0]));

  float out[2] = {5, 5};
  empty.state.finish(empty.acc, out, 2);
  EXPECT_EQ(out[0], 0.0f);
}

TEST(OnlineSoftmax, NanIsNeverMergedAway) {
  for (bool first : {true, false}) {
    Part a, b;
    a.state = {1.0f, first ? NAN : 1.0f};
    b.state = {900.0f, first ? 1.0f : NAN};  // so large that the other's factor is 0
    a.state.merge(a.acc, b.state, b.acc, 2);
    float out[2];
    a.state.finish(a.acc, out, 2);
    EXPECT_TRUE(std::isnan(out[0])) << first;
  }
}

}  // namespace
}  // namespace vernier
