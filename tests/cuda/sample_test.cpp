// Sampling on the emulated device: its tokens against those of the CPU's sampler and against the intervals that exact sums give each token,
// frequencies against the reference's distribution, lists that overflow, and rows of which no distribution can be made.
#include "vernier/ops/sample.cuh"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "cuda/every_schedule.hpp"
#include "support/compare.hpp"
#include "vernier/cuda/graph.cuh"
#include "vernier/cuda/stream.cuh"
#include "vernier/ops/reference.hpp"

namespace vernier::cuda {
namespace {

constexpr SampleConfig small{.threads = 64, .part = 256, .members = 48};

/// Rows of one batch, in vectors of exactly their size. Scratch memory lives on from call to call.
struct Batch {
  int vocabulary;
  std::vector<std::vector<float>> logits;
  std::vector<ops::SampleRow> options;
  std::vector<ops::LogitAdjustment> adjustments;
  std::vector<std::uint64_t> scratch;
  std::vector<std::vector<float>> adjusted;  // what the call left of the logits

  explicit Batch(int vocabulary_) : vocabulary(vocabulary_) {}

  void add(const std::vector<float>& row, const ops::Sampler& sampler) {
    const std::size_t first = adjustments.size();
    adjustments.resize(first + sampler.most_adjustments());
    options.push_back(sampler.row(vocabulary, std::span(adjustments).subspan(first)));
    options.back().first_adjustment = static_cast<int>(first);
    logits.push_back(row);
  }
  void add(const std::vector<float>& row, const ops::SampleOptions& o) { add(row, ops::Sampler(o)); }

  template <SampleConfig C, bool Greedy = false>
  std::vector<int> run() {
    const int rows = static_cast<int>(logits.size()), stride = round_up(vocabulary, 4);
    std::vector<float> x(static_cast<std::size_t>(rows * stride), NAN);  // what pads a row must not be read
    for (std::size_t r = 0; r < logits.size(); ++r)
      std::copy(logits[r].begin(), logits[r].end(), x.begin() + static_cast<std::ptrdiff_t>(r) * stride);
    scratch.resize(sample_scratch_bytes<C>(rows, vocabulary) / 8 + 1);
    std::vector<int> ids(logits.size(), -7);
    const SampleBatch batch{{x.data(), rows, vocabulary, stride}, options.data(), adjustments.data(), ids.data(), {scratch.data(), rows}};
    if constexpr (Greedy)
      argmax<C>(batch);
    else
      sample<C>(batch);
    adjusted.clear();
    for (int r = 0; r < rows; ++r) adjusted.emplace_back(batch.logits.row(r), batch.logits.row(r) + vocabulary);
    return ids;
  }
};

/// The tokens that may be drawn, in the order in which the CPU enumerates them, with their weights.
struct Enumerated {
  std::vector<std::size_t> ids;
  std::vector<double> weights;
};
Enumerated enumerate(const std::vector<float>& logits, const ops::SampleRow& o) {
  const float greatest = *std::max_element(logits.begin(), logits.end());
  std::vector<float> w;
  for (float x : logits) w.push_back(ops::exp((x - greatest) / o.temperature));
  std::vector<std::size_t> rank(logits.size());
  std::iota(rank.begin(), rank.end(), std::size_t{0});
  const bool ranked = o.top_k > 0 && static_cast<std::size_t>(o.top_k) < rank.size();
  const std::vector<float>& compared = ranked ? logits : w;
  std::stable_sort(rank.begin(), rank.end(), [&](std::size_t a, std::size_t b) { return compared[a] > compared[b]; });
  if (ranked) rank.resize(static_cast<std::size_t>(o.top_k));
  double total = 0, held = 0;
  for (std::size_t id : rank) total += static_cast<double>(w[id]);
  std::size_t nucleus = 0;
  for (; nucleus < rank.size() && (nucleus == 0 || o.top_p >= 1 || held < static_cast<double>(o.top_p) * total); ++nucleus)
    held += static_cast<double>(w[rank[nucleus]]);
  rank.resize(nucleus);
  const std::uint32_t border = ops::detail::weight_bucket(w[rank.back()]);
  while (rank.size() > 1 && w[rank.back()] < o.min_p) rank.pop_back();
  if (!ranked) {
    const auto by_rank = [&](std::size_t id) { return o.top_p < 1 && ops::detail::weight_bucket(w[id]) == border; };
    const auto edge = std::stable_partition(rank.begin(), rank.end(), [&](std::size_t id) { return !by_rank(id); });
    std::sort(rank.begin(), edge);
  }
  Enumerated e{rank, {}};
  for (std::size_t id : rank) e.weights.push_back(static_cast<double>(w[id]));
  return e;
}

/// The token's share of [0, 1): where it begins and ends. Empty where it cannot be drawn.
std::pair<double, double> interval(const Enumerated& e, int id) {
  const double total = std::accumulate(e.weights.begin(), e.weights.end(), 0.0);
  double begin = 0;
  for (std::size_t i = 0; i < e.ids.size(); begin += e.weights[i++])
    if (e.ids[i] == static_cast<std::size_t>(id)) return {begin / total, (begin + e.weights[i]) / total};
  return {2, -1};
}

/// Masses are too small by less than 2^-44 for each token, and the best has 1, so a border moves by less than 2^-30 for the vocabularies
/// here; the CPU, without filters, adds weights in float, in chains of eight.
constexpr double border_tolerance = 0x1p-30 + 8 * 0x1p-24;

/// The draw is in the interval of the chosen token. It is the CPU's token, but where the draw is so near to the interval's end that the
/// rounding of sums decides.
void expect_token(const std::vector<float>& adjusted, const ops::SampleRow& o, int got, int of_cpu) {
  ASSERT_GE(got, 0);
  const auto [begin, end] = interval(enumerate(adjusted, o), got);
  EXPECT_TRUE(begin - border_tolerance <= o.draw && o.draw <= end + border_tolerance)
      << "token " << got << " has [" << begin << ", " << end << "), drawn was " << o.draw << "; the CPU takes " << of_cpu;
  const bool near_border = std::min(std::abs(o.draw - begin), std::abs(o.draw - end)) <= border_tolerance;
  EXPECT_TRUE(near_border || got == of_cpu) << got << " and " << of_cpu;
}

/// Every row of these options and seeds, in one batch, under every schedule.
template <SampleConfig C>
void expect_as_on_the_cpu(const std::vector<float>& logits, const std::vector<ops::SampleOptions>& kinds, int seeds,
                          const std::vector<int>& prompt = {}, const std::vector<int>& answer = {}) {
  Batch batch(static_cast<int>(logits.size()));
  std::vector<int> want;
  for (ops::SampleOptions o : kinds)
    for (int seed = 0; seed < seeds; ++seed) {
      o.seed = static_cast<std::uint64_t>(seed) * 7919 + 1;
      ops::Sampler sampler(o);
      sampler.accept_prompt(prompt);
      for (int id : answer) sampler.accept(id);
      batch.add(logits, sampler);
      std::vector<float> copy = logits;
      want.push_back(sampler.sample(copy));
    }
  in_every_schedule([&] {
    const std::vector<int> ids = batch.run<C>();
    for (std::size_t r = 0; r < ids.size(); ++r) {
      SCOPED_TRACE("row " + std::to_string(r));
      if (batch.options[r].temperature == 0)
        EXPECT_EQ(ids[r], want[r]);
      else
        expect_token(batch.adjusted[r], batch.options[r], ids[r], want[r]);
    }
  });
}

const std::vector<ops::SampleOptions>& all_kinds() {
  static const std::vector<ops::SampleOptions> kinds{{},
                                                     {.temperature = 0},
                                                     {.temperature = 0.5f},
                                                     {.temperature = 1e-30f},
                                                     {.temperature = 1.7f, .top_k = 5},
                                                     {.top_k = 40, .top_p = 0.9f},
                                                     {.top_k = 1},
                                                     {.top_k = 1 << 30, .top_p = 0.6f},
                                                     {.top_p = 0.8f},
                                                     {.top_p = 0.0f},
                                                     {.top_p = 0.999f, .min_p = 0.02f},
                                                     {.min_p = 0.1f},
                                                     {.min_p = 1.0f},
                                                     {.temperature = 1.3f, .top_k = 12, .top_p = 0.9f, .min_p = 0.05f}};
  return kinds;
}

TEST(CudaSample, ChoosesTheTokensOfTheCpu) {
  expect_as_on_the_cpu<small>(test::normal(700, 1, 2.0f), all_kinds(), 2);
  expect_as_on_the_cpu<small>(test::normal(23, 2, 2.0f), all_kinds(), 1);
  expect_as_on_the_cpu<small>({0.5f}, {{}, {.temperature = 0}, {.top_p = 0.5f}}, 1);
}

TEST(CudaSample, RowsOfTheSizeOfAModel) {
  expect_as_on_the_cpu<SampleConfig{}>(test::normal(4501, 3, 2.5f), {{}, {.top_p = 0.9f}, {.top_k = 50, .top_p = 0.95f}}, 1);
}

/// Most tokens have few different logits: lists overflow, ranks are decided by ids.
TEST(CudaSample, TiesAndLongLists) {
  std::vector<float> logits = test::normal(900, 4, 1.0f);
  for (float& x : logits) x = std::round(x);
  expect_as_on_the_cpu<small>(logits, {{.top_k = 300}, {.top_k = 333, .top_p = 0.7f, .min_p = 0.1f}, {.top_p = 0.85f}, {.top_k = 4}}, 2);
  expect_as_on_the_cpu<small>(std::vector<float>(700, 1.0f), {{}, {.top_p = 0.9f}, {.top_k = 650}, {.top_k = 650, .top_p = 0.5f}}, 2);
}

TEST(CudaSample, TokensThatAreForbiddenOrFarBehind) {
  std::vector<float> logits(300, -INFINITY);
  logits[7] = 2.0f, logits[299] = 1.0f, logits[41] = -40.0f;
  expect_as_on_the_cpu<small>(logits, all_kinds(), 1);
  logits[7] = -0.0f, logits[299] = 0.0f;
  expect_as_on_the_cpu<small>(logits, all_kinds(), 1);
}

/// Hundreds of tokens of almost the same small weight: the lower words of their sums overflow again and again.
TEST(CudaSample, SumsOfManySmallWeights) {
  std::vector<float> logits = test::normal(700, 10, 0.001f);
  for (float& x : logits) x -= 8.5f;
  logits[400] = 0.0f;
  Batch batch(700);
  for (const ops::SampleOptions& o : {ops::SampleOptions{.top_p = 0.93f}, {.top_k = 600, .top_p = 0.95f}})
    for (double draw : {0.5, 0.96, 0.99}) {  // the best token has 0.94 of the nucleus, or 0.93
      batch.add(logits, o);
      batch.options.back().draw = draw;
    }
  const std::vector<int> ids = batch.run<small>();
  for (std::size_t r = 0; r < ids.size(); ++r) {
    const auto [begin, end] = interval(enumerate(logits, batch.options[r]), ids[r]);
    EXPECT_TRUE(begin - border_tolerance <= batch.options[r].draw && batch.options[r].draw <= end + border_tolerance) << r;
  }
}

TEST(CudaSample, PenaltiesAndBias) {
  const std::vector<float> logits = test::normal(301, 5, 1.5f);
  const std::vector<int> prompt{0, 1, 2, 3, 3, 300, 256}, answer{3, 4, 4, 4, 5, 255, 7};
  const std::vector<ops::SampleOptions> kinds{
      {.repetition_penalty = 1.6f},
      {.temperature = 0, .presence_penalty = 1.1f},
      {.top_p = 0.9f, .frequency_penalty = -0.5f},
      {.logit_bias = {{2, 3.0f}, {7, -INFINITY}, {2, 0.5f}, {300, 4.0f}}},
      {.temperature = 0, .logit_bias = {{11, 100.0f}}},
      {.repetition_penalty = 0.7f, .frequency_penalty = 0.3f, .logit_bias = {{4, -1.0f}, {9, 2.0f}}}};
  expect_as_on_the_cpu<small>(logits, kinds, 2, prompt, answer);

  // What is drawn from is the CPU's, to the bit.
  Batch batch(301);
  ops::Sampler sampler(kinds[5]);
  sampler.accept_prompt(prompt);
  for (int id : answer) sampler.accept(id);
  batch.add(logits, sampler);
  (void)batch.run<small>();
  std::vector<float> want = logits;
  want[4] -= 1.0f, want[9] += 2.0f;
  std::vector<int> seen = prompt;
  seen.insert(seen.end(), answer.begin(), answer.end());
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (int id : seen) {
    float& x = want[static_cast<std::size_t>(id)];
    x = x > 0 ? x / 0.7f : x * 0.7f;
    const auto times = std::count(answer.begin(), answer.end(), id);
    if (times > 0) x -= 0.0f + 0.3f * static_cast<float>(times);
  }
  EXPECT_EQ(batch.adjusted[0], want);
}

/// Draws that divide [0, 1) evenly hit each token as often as the reference's distribution says, but for one at each end of its interval.
TEST(CudaSample, FollowsTheDistribution) {
  const std::vector<float> logits = test::normal(23, 6, 2.0f);
  const int draws = 100;
  for (const ops::SampleOptions& o : {ops::SampleOptions{},
                                      {.temperature = 1.7f, .top_k = 5},
                                      {.top_p = 0.8f},
                                      {.min_p = 0.1f},
                                      {.temperature = 1.3f, .top_k = 12, .top_p = 0.9f, .min_p = 0.05f}}) {
    Batch batch(23);
    for (int i = 0; i < draws; ++i) {
      batch.add(logits, o);
      batch.options.back().draw = (i + 0.5) / draws;
    }
    const std::vector<double> want = reference::distribution(logits, o);
    std::vector<int> hits(want.size(), 0);
    for (int id : batch.run<SampleConfig{.threads = 32, .part = 128, .members = 16}>()) ++hits[static_cast<std::size_t>(id)];
    for (std::size_t id = 0; id < want.size(); ++id) {
      if (want[id] == 0)
        EXPECT_EQ(hits[id], 0) << "token " << id << " is filtered out";
      else
        EXPECT_NEAR(hits[id], draws * want[id], 1.0 + 1e-6) << "token " << id;
    }
  }
}

TEST(CudaSample, GreedyAlone) {
  const int vocabulary = 1003;
  Batch batch(vocabulary);
  std::vector<int> want;
  std::vector<float> logits = test::normal(vocabulary, 7);
  for (std::size_t at : {1002u, 700u, 256u, 3u}) {
    logits[at] = 50.0f;
    batch.add(logits, ops::SampleOptions{});  // not looked at
    want.push_back(static_cast<int>(at));
  }
  in_every_schedule([&] { EXPECT_EQ((batch.run<small, true>()), want); });
}

TEST(CudaSample, RowsWithoutADistribution) {
  const std::vector<float> good = test::normal(300, 8);
  std::vector<float> nan = good, negative_nan = good, infinite = good;
  nan[299] = NAN, negative_nan[0] = -NAN, infinite[260] = INFINITY;
  Batch batch(300);
  for (const std::vector<float>& row : {nan, negative_nan, infinite, std::vector<float>(300, -INFINITY), good})
    for (const ops::SampleOptions& o : {ops::SampleOptions{.temperature = 0}, {}, {.top_p = 0.5f}, {.top_k = 3}}) batch.add(row, o);
  in_every_schedule([&] {
    const std::vector<int> ids = batch.run<small>();
    for (std::size_t r = 0; r < 16; ++r) EXPECT_EQ(ids[r], no_token) << r;
    for (std::size_t r = 16; r < 20; ++r) EXPECT_GE(ids[r], 0) << r;
  });
}

TEST(CudaSample, ARowDoesNotDependOnTheOthers) {
  Batch together(700);
  std::vector<int> alone;
  for (unsigned i = 0; i < 6; ++i) {
    const std::vector<float> logits = test::normal(700, 20 + i, 2.0f);
    const ops::SampleOptions o{.top_k = i % 2 == 0 ? 20 : 0, .top_p = 0.9f, .seed = i};
    together.add(logits, o);
    Batch one(700);
    one.add(logits, o);
    alone.push_back(one.run<small>()[0]);
  }
  EXPECT_EQ(together.run<small>(), alone);
}

/// A recorded step samples under whatever options, adjustments and logits are there when it is replayed.
TEST(CudaSample, ReplaysWithOtherOptions) {
  const int vocabulary = 300;
  std::vector<float> logits(vocabulary);
  std::vector<ops::SampleRow> row(1);
  std::vector<ops::LogitAdjustment> adjustments(2);
  std::vector<int> id(1);
  std::vector<std::uint64_t> scratch(sample_scratch_bytes<small>(1, vocabulary) / 8 + 1);
  const SampleBatch batch{{logits.data(), 1, vocabulary}, row.data(), adjustments.data(), id.data(), {scratch.data(), 1}};
  const OwnedStream stream;
  const Graph graph = Graph::record(stream, [&] { sample<small>(batch, stream); });
  const std::vector<float> step = test::normal(vocabulary, 30, 2.0f);
  for (const ops::SampleOptions& o : {ops::SampleOptions{.top_k = 7, .seed = 1},
                                      {.temperature = 0, .logit_bias = {{250, 90.0f}}},
                                      {.top_p = 0.9f, .seed = 3},
                                      {.seed = 4}}) {
    const ops::Sampler sampler(o);
    row[0] = sampler.row(vocabulary, adjustments);
    logits = step;
    graph.replay(stream);
    stream.synchronize();
    std::vector<float> copy = step;
    EXPECT_EQ(id[0], ops::Sampler(o).sample(copy));
  }
}

TEST(CudaSample, SaysWhatIsWrong) {
  std::vector<float> logits(64);
  std::vector<int> ids(2);
  std::vector<std::uint64_t> scratch(1);
  const ops::SampleRow* no_rows = nullptr;
  const SampleBatch good{{logits.data(), 2, 32}, no_rows, nullptr, ids.data(), {scratch.data(), 2}};
  const auto says = [](SampleBatch batch, const char* words) {
    try {
      sample(batch);
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
      return;
    }
    ADD_FAILURE() << "expected: " << words;
  };
  says(good, "there are no options");
  SampleBatch bad = good;
  bad.ids = nullptr;
  says(bad, "there must be ids");
  bad = good;
  bad.logits = {logits.data() + 1, 2, 28, 32};
  says(bad, "multiples of 16 bytes");
  bad.logits = {logits.data(), 2, 30, 30};
  says(bad, "their stride is 30");
  bad.logits = {logits.data(), 0, 1 << 20};
  says(bad, "the vocabulary has 1048576 tokens");
  bad = good;
  bad.scratch.rows = 1;
  says(bad, "2 rows, the scratch memory is for 1");
  std::vector<ops::LogitAdjustment> adjustments(1);
  EXPECT_THROW((void)ops::Sampler({.logit_bias = {{40, 1.0f}}}).row(32, adjustments), Error);
}

TEST(SampleMass, IsTheWholePartOfTheWeight) {
  static_assert(weight_mass(1.0f) == Mass{1} << 44 && weight_mass(0.0f) == 0 && weight_mass(0x1p-44f) == 1);
  static_assert(weight_mass(0x1.fffffep-45f) == 0 && mass_bucket(1.0f) == num_mass_buckets - 1 && mass_bucket(0x1p-44f) == 0);
  for (float e : test::normal(2000, 9, 12.0f)) {
    const float w = std::exp(-std::abs(e));
    EXPECT_EQ(weight_mass(w), static_cast<Mass>(std::floor(std::ldexp(static_cast<double>(w), 44)))) << w;
    if (weight_mass(w) == 0) continue;
    EXPECT_EQ(bucket_prefix(mass_bucket(w)), float_bits(w) >> 19);
  }
}

TEST(SampleMass, FractionsOfTheWhole) {
  static_assert(multiply_high(~Mass{0}, ~Mass{0}) == ~Mass{0} - 1 && multiply_high(Mass{1} << 63, 6) == 3);
  static_assert(drawn_unit(0.0, 5) == 0 && drawn_unit(0x1.fffffffffffffp-1, 5) == 4 && drawn_unit(0.2, 5) == 1);
  static_assert(last_unit_of_nucleus(0.0f, 7) == 0 && last_unit_of_nucleus(0.5f, 8) == 3 && last_unit_of_nucleus(0.5f, 9) == 4);
  static_assert(last_unit_of_nucleus(0x1.fffffep-1f, Mass{1} << 62) == (Mass{1} << 62) - (Mass{1} << 38) - 1);
  static_assert(ordered_bits(-0.0f) == ordered_bits(0.0f) && ordered_bits(-1.0f) < ordered_bits(-0.5f));
  for (float x : {-3.5f, 0.0f, 1e-40f, 7.25f, -1e30f}) EXPECT_EQ(from_ordered_bits(ordered_bits(x)), x);
}

}  // namespace
}  // namespace vernier::cuda
