// What append() stores is the rotated key and the value, rounded once to the format; in any chunking, with NaN kept visible.
#include "vernier/kv/append.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/kv.hpp"
#include "vernier/attention/reference.hpp"

namespace vernier {
namespace {

/// The largest error of one rounding, relative to the element and, for formats with a scale, to the largest of its row. The scale itself
/// and the division by it are float operations, hence the 2^-22.
double rounding_bound(Precision p, double x, double row_max) {
  switch (p) {
    case Precision::f16: return std::max(std::abs(x) * 0x1p-11, 0x1p-25);
    case Precision::bf16: return std::abs(x) * 0x1p-8;
    case Precision::i8: return row_max * (0.5 / 127 + 0x1p-22);
    case Precision::e4m3: return std::max(std::abs(x) * 0x1p-4, row_max / 448 * 0x1p-10) + row_max * 0x1p-22;
    case Precision::e5m2: return std::max(std::abs(x) * 0x1p-3, row_max / 57344 * 0x1p-17) + row_max * 0x1p-22;
    default: return 0;
  }
}

struct Store : testing::TestWithParam<Precision> {
  cpu::ThreadPool pool{2};
};

TEST_P(Store, KeepsEveryElementWithinOneRounding) {
  for (int dim : {8, 24, 64, 80, 256}) {
    KvCache cache({.precision = GetParam(), .page_tokens = 16}, {.layers = 2, .kv_heads = 2, .head_dim = dim, .num_pages = 4});
    KvSequence sequence(cache);
    ASSERT_TRUE(sequence.extend(37));
    const int half = dim / 2, cols = 2 * dim;
    std::vector<float> cos, sin;
    for (int p = 0; p < 37; ++p)
      for (int i = 0; i < half; ++i)
        cos.push_back(std::cos(0.1f * static_cast<float>(p * i))), sin.push_back(std::sin(0.1f * static_cast<float>(p * i)));
    const auto k = test::normal(static_cast<std::size_t>(37 * cols), 1, 3.0f),
               v = test::normal(static_cast<std::size_t>(37 * cols), 2, 0.1f);
    const KvChunk chunk = sequence.last(37);
    append(pool, cache, 1, {&chunk, 1}, {k.data(), 37, cols}, {v.data(), 37, cols}, {cos.data(), sin.data(), 37, half, half});

    test::Worst worst;
    for (int p = 0; p < 37; ++p)
      for (int head = 0; head < 2; ++head) {
        std::vector<double> key(static_cast<std::size_t>(dim)), value(key);
        double key_max = 0, value_max = 0;
        for (int d = 0; d < dim; ++d) {
          const auto x = [&](int i) { return static_cast<double>(k[static_cast<std::size_t>(p * cols + head * dim + i)]); };
          const double c = static_cast<double>(cos[static_cast<std::size_t>(p * half + d % half)]);
          const double s = static_cast<double>(sin[static_cast<std::size_t>(p * half + d % half)]);
          const std::size_t i = static_cast<std::size_t>(d);
          key[i] = d < half ? x(d) * c - x(d + half) * s : x(d) * c + x(d - half) * s;
          value[i] = static_cast<double>(v[static_cast<std::size_t>(p * cols + head * dim + d)]);
          key_max = std::max(key_max, std::abs(key[i]));
          value_max = std::max(value_max, std::abs(value[i]));
        }
        for (int d = 0; d < dim; ++d) {
          const std::size_t i = static_cast<std::size_t>(d);
          const double turning = 4 * key_max * 0x1p-23;  // the rotation in float, at most 2^0.5 times the largest element
          worst.add(static_cast<std::size_t>((p * 2 + head) * dim + d), key[i],
                    reference::cached_key(cache, 1, head, sequence.pages(), p, d), rounding_bound(GetParam(), key[i], key_max) + turning);
          worst.add(static_cast<std::size_t>((p * 2 + head) * dim + d), value[i],
                    reference::cached_value(cache, 1, head, sequence.pages(), p, d), rounding_bound(GetParam(), value[i], value_max));
        }
      }
    EXPECT_LE(worst.excess, 0) << "head_dim " << dim << ": " << worst.text();
  }
}

TEST_P(Store, DoesNotDependOnChunksOrThreads) {
  const KvGeometry geometry{.layers = 1, .kv_heads = 2, .head_dim = 24, .num_pages = 3};
  KvCache whole({.precision = GetParam(), .page_tokens = 16}, geometry), parts({.precision = GetParam(), .page_tokens = 16}, geometry);
  KvSequence a(whole), b(parts);
  cpu::ThreadPool one(1);
  ASSERT_TRUE(a.extend(40));
  test::fill(pool, whole, 0, a.last(40), 3);
  for (int count : {1, 2, 13, 16, 1, 7}) {
    ASSERT_TRUE(b.extend(count));
    test::fill(one, parts, 0, b.last(count), 3);
  }
  for (int page = 0; page < 3; ++page)
    for (int head = 0; head < 2; ++head)
      EXPECT_EQ(std::memcmp(whole.run(0, head, page).keys, parts.run(0, head, page).keys, whole.layout().run_bytes()), 0);
}

TEST_P(Store, ShowsNanAndInfinityAndKeepsZeros) {
  KvCache cache({.precision = GetParam(), .page_tokens = 16}, {.layers = 1, .kv_heads = 1, .head_dim = 8, .num_pages = 1});
  KvSequence sequence(cache);
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 0.0f}) {
    sequence.truncate(0);
    ASSERT_TRUE(sequence.extend(1));
    const KvChunk chunk = sequence.last(1);
    std::vector<float> k(8, bad == 0.0f ? 0.0f : 1.0f), v = k;
    k[3] = v[5] = bad;
    append(pool, cache, 0, {&chunk, 1}, {k.data(), 1, 8}, {v.data(), 1, 8}, {});
    const double key = reference::cached_key(cache, 0, 0, sequence.pages(), 0, 3);
    const double value = reference::cached_value(cache, 0, 0, sequence.pages(), 0, 5);
    if (bad == 0.0f) {
      EXPECT_EQ(key, 0);
      EXPECT_EQ(value, 0);
    } else {
      EXPECT_FALSE(std::isfinite(key));
      EXPECT_FALSE(std::isfinite(value));
    }
  }
}

TEST_P(Store, SurvivesTinyAndHugeRows) {
  KvCache cache({.precision = GetParam(), .page_tokens = 16}, {.layers = 1, .kv_heads = 1, .head_dim = 8, .num_pages = 1});
  for (float size : {1e-45f, 1e-38f, 1e-30f, 1e4f, 3e38f}) {
    KvSequence sequence(cache);
    ASSERT_TRUE(sequence.extend(1));
    const KvChunk chunk = sequence.last(1);
    const std::vector<float> x(8, size);
    append(pool, cache, 0, {&chunk, 1}, {x.data(), 1, 8}, {x.data(), 1, 8}, {});
    const double value = reference::cached_value(cache, 0, 0, sequence.pages(), 0, 0);
    if (GetParam() == Precision::f16 && size > 65504) continue;  // infinity, by its range
    // A row too small for a normal scale may lose its bits to the subnormals, but never becomes NaN or larger.
    EXPECT_LE(std::abs(value - static_cast<double>(size)),
              rounding_bound(GetParam(), static_cast<double>(size), static_cast<double>(size)) + 1e-36)
        << size;
  }
}

INSTANTIATE_TEST_SUITE_P(Kv, Store, testing::ValuesIn(test::kv_precisions), [](const auto& i) { return std::string(name(i.param)); });

TEST(Append, NamesWhatDoesNotFit) {
  cpu::ThreadPool pool(1);
  KvCache cache({.page_tokens = 16}, {.layers = 2, .kv_heads = 2, .head_dim = 8, .num_pages = 4});
  KvSequence a(cache);
  ASSERT_TRUE(a.extend(20));
  std::vector<float> x(20 * 16);
  const auto message = [&](int layer, KvChunk chunk, int rows, int cols, RotaryView rotary = {}) {
    return test::error_of([&] { append(pool, cache, layer, {&chunk, 1}, {x.data(), rows, cols}, {x.data(), rows, cols}, rotary); });
  };
  EXPECT_EQ(message(2, a.last(1), 1, 16), "vernier::append: layer = 2, the cache has 2");
  EXPECT_EQ(message(0, a.last(2), 1, 16), "vernier::append: k is (1, 16), expected (tokens of the batch, kv_heads * head_dim) = (2, 16)");
  EXPECT_EQ(message(0, a.last(1), 1, 8), "vernier::append: k is (1, 8), expected (tokens of the batch, kv_heads * head_dim) = (1, 16)");
  EXPECT_EQ(message(0, {a.pages(), 32, 1}, 1, 16),
            "vernier::append: the sequence has 2 pages, but position 32 needs 3; call KvSequence::extend first");
  EXPECT_NE(message(0, {a.pages(), -1, 1}, 1, 16).find("positions -1 + 1"), std::string::npos);
  EXPECT_NE(message(0, {a.pages(), 2147483647, 1}, 1, 16).find("positions 2147483647 + 1"), std::string::npos);
  const int wrong[] = {0, 99};
  EXPECT_EQ(message(0, {wrong, 20, 1}, 1, 16), "vernier::append: page 99 is not one of 4");
  EXPECT_EQ(message(0, a.last(1), 1, 16, {x.data(), x.data(), 19, 4, 4}),
            "vernier::append: position 19 is not in the rotary table, which has 19");
  const KvSequence b = a.fork(20);
  EXPECT_EQ(message(0, a.last(1), 1, 16), "vernier::append: page 1 has 2 holders, expected 1; call KvSequence::extend, which copies");
}

}  // namespace
}  // namespace vernier
