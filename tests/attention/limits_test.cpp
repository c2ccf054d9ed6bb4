// What attention does at the edges: NaN is seen by those who see its token and by nobody else, wrong shapes are refused in words, a warm
// call allocates nothing, and a query without keys gets zeros.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "support/attention.hpp"

namespace {
std::atomic<long> allocations{0};
}

// Counts every allocation of this program; the aligned forms are those of Buffer. Not inlined, as g++ would then see malloc meet delete.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size > 0 ? size : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t align) {
  ++allocations;
  const std::size_t a = static_cast<std::size_t>(align);
  if (void* p = std::aligned_alloc(a, (size + a - 1) / a * a)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace vernier {
namespace {

constexpr int lengths[] = {80};

class Limits : public testing::TestWithParam<Precision> {};

/// Overwrites one key or value with NaN in an element, keeping the others.
void poison(test::Scene& scene, int position, bool key) {
  const KvChunk chunk{scene.sequences[0].pages(), position, 1};
  const int cols = scene.cache.geometry().kv_heads * scene.cache.geometry().head_dim;
  auto k = test::normal(static_cast<std::size_t>(cols), 1), v = test::normal(static_cast<std::size_t>(cols), 2);
  append(scene.pool, scene.cache, 0, {&chunk, 1}, {k.data(), 1, cols}, {v.data(), 1, cols}, {});
  (key ? k : v)[3] = std::numeric_limits<float>::quiet_NaN();  // kv head 0, element 3
  append(scene.pool, scene.cache, 0, {&chunk, 1}, {k.data(), 1, cols}, {v.data(), 1, cols}, {});
}

TEST_P(Limits, NanInTheCacheReachesThoseWhoSeeItAndNobodyElse) {
  for (bool key : {true, false})
    for (cpu::Isa isa : test::isas()) {
      test::Scene scene({.precision = GetParam()}, 2, 2, 16, lengths);
      const KvChunk all = scene.sequences[0].last(80);
      const auto q = scene.queries({&all, 1});
      poison(scene, 40, key);  // the neighbours of 40 in its page are seen by earlier and later queries alike
      for (int window : {0, 10}) {
        const auto out = scene.run({&all, 1}, q, window, isa, scene.pool);
        for (int p = 0; p < 80; ++p) {
          const bool sees = p >= 40 && (window == 0 || p < 40 + window);
          for (int i = 0; i < scene.cols(); ++i) {
            const bool shares_head = i < 2 * 16;
            const float x = out[static_cast<std::size_t>(p * scene.cols() + i)];
            // A NaN key spoils the whole row. A NaN value spoils its element, and in formats with a scale its row.
            const bool spoilt = sees && shares_head && (key || has_kv_scale(GetParam()) || i % 16 == 3);
            ASSERT_EQ(std::isnan(x), spoilt) << name(isa) << " position " << p << " element " << i;
          }
        }
      }
    }
}

TEST_P(Limits, NanInAQueryStaysInItsHead) {
  const test::Scene scene({.precision = GetParam()}, 2, 2, 16, lengths);
  const KvChunk all = scene.sequences[0].last(80);
  auto q = scene.queries({&all, 1});
  for (cpu::Isa isa : test::isas()) {
    cpu::ThreadPool one(1);
    const auto clean = scene.run({&all, 1}, q, 0, isa, one);
    const float kept = std::exchange(q[static_cast<std::size_t>(50 * scene.cols() + 16 + 2)], std::numeric_limits<float>::quiet_NaN());
    const auto out = scene.run({&all, 1}, q, 0, isa, one);
    q[static_cast<std::size_t>(50 * scene.cols() + 16 + 2)] = kept;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const bool hit = i / 16 == static_cast<std::size_t>(50 * scene.cols() / 16 + 1);
      ASSERT_TRUE(hit ? std::isnan(out[i]) : std::memcmp(&out[i], &clean[i], sizeof(float)) == 0) << name(isa) << " " << i;
    }
  }
}

TEST_P(Limits, LargeScoresDoNotOverflow) {
  test::Scene scene({.precision = GetParam()}, 1, 3, 16, lengths);
  const KvChunk last = scene.sequences[0].last(1);
  auto q = scene.queries({&last, 1});
  for (float& x : q) x *= 1e4f;  // the softmax is one key
  for (cpu::Isa isa : test::isas())
    for (float x : scene.run({&last, 1}, q, 0, isa, scene.pool)) ASSERT_TRUE(std::isfinite(x)) << name(isa);
}

TEST_P(Limits, AWarmCallAllocatesNothing) {
  test::Scene scene({.precision = GetParam()}, 2, 3, 64, lengths);
  const std::vector<KvChunk> batch{scene.sequences[0].last(60), scene.sequences[0].last(1)};
  const auto q = scene.queries(batch);
  std::vector<float> out(q.size());
  AttentionWorkspace workspace;
  const auto call = [&] {
    attention(scene.pool, scene.cache, 0, batch, {q.data(), 61, scene.cols()}, {out.data(), 61, scene.cols()}, AttentionOptions{},
              workspace);
  };
  call();
  const long before = allocations;
  call();
  EXPECT_EQ(allocations - before, 0);
}

INSTANTIATE_TEST_SUITE_P(Formats, Limits, testing::ValuesIn(test::kv_precisions), [](const auto& i) { return std::string(name(i.param)); });

/// A mask under which even positions see nothing yet.
struct OddOnly {
  int first_key(int) const { return 0; }
  int end_key(int position) const { return (position + 1) / 2 * 2; }
};

TEST(Attention, AQueryWithoutKeysGetsZeros) {
  const int length[] = {5};
  test::Scene scene({}, 1, 1, 8, length);
  const KvChunk all = scene.sequences[0].last(5);
  const auto q = scene.queries({&all, 1});
  for (cpu::Isa isa : test::isas()) {
    std::vector<float> out(40, 1.0f);
    AttentionWorkspace workspace(isa);
    attention(scene.pool, scene.cache, 0, {&all, 1}, {q.data(), 5, 8}, {out.data(), 5, 8}, OddOnly{}, 1.0f, workspace);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(out[static_cast<std::size_t>(i)], 0.0f);
    for (int i = 8; i < 40; ++i) EXPECT_NE(out[static_cast<std::size_t>(i)], 0.0f);
  }
}

TEST(Attention, AnEmptyBatchIsNothing) {
  test::Scene scene({}, 1, 1, 8, lengths);
  float x = 0;
  AttentionWorkspace workspace;
  attention(scene.pool, scene.cache, 0, {}, {&x, 0, 8}, {&x, 0, 8}, AttentionOptions{}, workspace);
  const KvChunk none = scene.sequences[0].last(0);
  attention(scene.pool, scene.cache, 0, {&none, 1}, {&x, 0, 8}, {&x, 0, 8}, AttentionOptions{}, workspace);
}

TEST(Attention, NamesWhatDoesNotFit) {
  test::Scene scene({}, 2, 1, 8, lengths);
  std::vector<float> x(80 * 48);
  AttentionWorkspace workspace;
  const auto message = [&](int layer, KvChunk chunk, int rows, int cols, int out_cols, AttentionOptions options = {}) {
    return test::error_of([&] {
      attention(scene.pool, scene.cache, layer, {&chunk, 1}, {x.data(), rows, cols}, {x.data(), rows, out_cols}, options, workspace);
    });
  };
  const KvChunk last = scene.sequences[0].last(2);
  EXPECT_EQ(message(1, last, 2, 16, 16), "vernier::attention: layer = 1, the cache has 1");
  EXPECT_EQ(message(0, last, 2, 24, 24), "vernier::attention: q has 24 columns, expected a multiple of kv_heads * head_dim = 16");
  EXPECT_EQ(message(0, last, 3, 16, 16), "vernier::attention: q has 3 rows, but the batch has 2 tokens");
  EXPECT_EQ(message(0, last, 2, 32, 16), "vernier::attention: out is (2, 16), expected that of q: (2, 32)");
  EXPECT_EQ(message(0, {last.pages, 200, 2}, 2, 16, 16),
            "vernier::attention: the sequence has 3 pages, but position 201 needs 7; call KvSequence::extend first");
  EXPECT_EQ(message(0, last, 2, 16, 16, {.window = -1}), "vernier::attention: window = -1, expected 0 (none) or more");
  EXPECT_EQ(message(0, last, 2, 16, 16, {.scale = INFINITY}), "vernier::attention: scale = inf, expected a finite number");
}

}  // namespace
}  // namespace vernier
