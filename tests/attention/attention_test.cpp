// Attention against its reference in double, on the same codes: formats x instruction sets x head sizes, group ratios, windows, and lengths
// around the borders of pages and splits, in ragged batches of prefill chunks and decode tokens.
#include "vernier/attention/attention.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/attention.hpp"
#include "vernier/attention/reference.hpp"

namespace vernier {
namespace {

struct Shape {
  int head_dim, kv_heads, group, page_tokens;
};

class Attention : public testing::TestWithParam<Precision> {};

void expect_agreement(const Shape& shape, Precision precision, std::span<const int> windows) {
  const int lengths[] = {1, 33, 300, 257, 512, 70};
  const test::Scene scene({.precision = precision, .page_tokens = shape.page_tokens}, shape.kv_heads, shape.group, shape.head_dim, lengths);
  std::vector<KvChunk> batch;
  for (std::size_t i = 0; i < 6; ++i) batch.push_back(scene.sequences[i].last(std::array{1, 33, 45, 1, 1, 3}[i]));
  const auto q = scene.queries(batch);
  const int rows = static_cast<int>(q.size()) / scene.cols();
  cpu::ThreadPool threads(2);
  for (int window : windows) {
    std::vector<double> want(q.size());
    const SlidingWindow mask{window == 0 ? 100'000 : window};
    const double scale = 1 / std::sqrt(static_cast<double>(shape.head_dim));
    reference::attention(scene.cache, 0, batch, {q.data(), rows, scene.cols()}, {want.data(), rows, scene.cols()}, mask, scale);
    // |k| <= 6 sqrt(dim) would do; the keys are normal, so their norm stays below 1.5 sqrt(dim) + 6 at these sizes, rounding included.
    const double key_norm = 1.5 * std::sqrt(static_cast<double>(shape.head_dim)) + 6;
    const double score = test::largest_norm(q, shape.head_dim) * key_norm * scale * 1.4427;
    const double bound = test::attention_bound(precision, shape.head_dim, 512, 512 / shape.page_tokens + 3, score, 6.0);
    for (cpu::Isa isa : test::isas()) {
      const auto got = scene.run(batch, q, window, isa, threads);
      test::Worst worst;
      for (std::size_t i = 0; i < got.size(); ++i) worst.add(i, want[i], static_cast<double>(got[i]), bound);
      EXPECT_LE(worst.excess, 0) << name(isa) << " head_dim " << shape.head_dim << " group " << shape.group << " window " << window << ": "
                                 << worst.text();
    }
  }
}

TEST_P(Attention, AgreesWithTheReferenceForEveryHeadSize) {
  const int windows[] = {0, 5};
  for (const Shape& shape :
       {Shape{8, 1, 1, 16}, Shape{24, 2, 3, 32}, Shape{64, 1, 4, 32}, Shape{80, 1, 7, 32}, Shape{128, 1, 1, 64}, Shape{256, 1, 3, 32}})
    expect_agreement(shape, GetParam(), windows);
}

TEST_P(Attention, AgreesWithTheReferenceForEveryWindow) {
  const int windows[] = {0, 1, 5, 31, 32, 33, 256, 100'000};
  expect_agreement({16, 1, 3, 32}, GetParam(), windows);
}

float largest_code(Precision p) {
  return p == Precision::i8 ? 127.0f : p == Precision::e4m3 ? 448.0f : p == Precision::e5m2 ? 57344.0f : 1.0f;
}

// With q = 0 all visible keys weigh the same, and values that name their position give away exactly which ones were seen.
TEST_P(Attention, SeesExactlyItsKeys) {
  const int lengths[] = {600};
  for (int group : {1, 3, 9}) {
    test::Scene scene({.precision = GetParam(), .page_tokens = 32}, 1, group, 8, lengths);
    std::vector<float> k(600 * 8), v(600 * 8);
    // Exact in every format, weights times scales too: the largest of each row makes its scale 1.
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = i % 8 == 0 ? largest_code(GetParam()) : static_cast<float>(i / 8 % 8 + 1);
    const KvChunk all = scene.sequences[0].last(600);
    append(scene.pool, scene.cache, 0, {&all, 1}, {k.data(), 600, 8}, {v.data(), 600, 8}, {});
    const std::vector<float> q(static_cast<std::size_t>(600 * scene.cols()));
    for (int window : {0, 1, 5, 32, 40, 256, 300})
      for (cpu::Isa isa : test::isas()) {
        const auto out = scene.run({&all, 1}, q, window, isa, scene.pool);
        test::Worst worst;
        for (int p = 0; p < 600; ++p) {
          const int first = window == 0 ? 0 : std::max(0, p - window + 1);
          double sum = 0;
          for (int key = first; key <= p; ++key) sum += key % 8 + 1;
          for (int i = 0; i < scene.cols(); ++i) {
            if (i % 8 == 0) continue;
            const std::size_t at = static_cast<std::size_t>(p * scene.cols() + i);
            // At most 600 additions and 22 merges or rescalings of numbers up to 8. One key too many changes the mean by 8e-4.
            const double rounding = 8 * 660 * 0x1p-24 + (GetParam() == Precision::i8 ? 8 * 0x1p-16 : 0);
            worst.add(at, sum / (p - first + 1), static_cast<double>(out[at]), rounding);
          }
        }
        EXPECT_LE(worst.excess, 0) << name(isa) << " group " << group << " window " << window << ": " << worst.text();
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Attention, testing::ValuesIn(test::kv_precisions),
                         [](const auto& i) { return std::string(name(i.param)); });

}  // namespace
}  // namespace vernier
