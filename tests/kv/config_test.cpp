// What can be a cache and what cannot, in the words that a user sees; and the arithmetic of its layout.
#include "vernier/kv/config.hpp"

#include <gtest/gtest.h>

#include <set>

#include "support/kv.hpp"
#include "vernier/kv/layout.hpp"

namespace vernier {
namespace {

static_assert(check<KvConfig{.precision = Precision::i8, .page_tokens = 64}>(), "a cache that engines fix at compile time");

std::string refusal(const KvConfig& config, const KvGeometry& geometry) {
  return test::error_of([&] { KvCache cache(config, geometry); });
}

TEST(KvConfig, NamesTheFieldAndWhatItMayBe) {
  const KvGeometry good{.layers = 1, .kv_heads = 1, .head_dim = 64, .num_pages = 1};
  EXPECT_EQ(refusal({.precision = Precision::nf4}, good), "vernier::KvCache: precision = nf4, expected f16, bf16, i8, e4m3 or e5m2");
  EXPECT_EQ(refusal({.page_tokens = 24}, good), "vernier::KvCache: page_tokens = 24, expected 16, 32, 64 or 128");
  auto with = [&](auto change) {
    KvGeometry g = good;
    change(g);
    return refusal({}, g);
  };
  EXPECT_EQ(with([](KvGeometry& g) { g.layers = 0; }), "vernier::KvCache: layers = 0, expected at least 1");
  EXPECT_EQ(with([](KvGeometry& g) { g.kv_heads = -3; }), "vernier::KvCache: kv_heads = -3, expected at least 1");
  EXPECT_EQ(with([](KvGeometry& g) { g.head_dim = 60; }), "vernier::KvCache: head_dim = 60, expected a multiple of 8 from 8 to 256");
  EXPECT_EQ(with([](KvGeometry& g) { g.head_dim = 264; }), "vernier::KvCache: head_dim = 264, expected a multiple of 8 from 8 to 256");
  EXPECT_EQ(with([](KvGeometry& g) { g.num_pages = 0; }), "vernier::KvCache: num_pages = 0, expected at least 1");
  EXPECT_NE(with([](KvGeometry& g) { g.num_pages = 1 << 27; }).find("lower num_pages"), std::string::npos);
}

TEST(KvConfig, MemoryThatCannotBeHadIsAnErrorWithTheNumbers) {
  // 2^40 heads * layers of 16 KiB runs: beyond the address space.
  EXPECT_EQ(refusal({}, {.layers = 1 << 20, .kv_heads = 1 << 20, .head_dim = 128, .num_pages = 1 << 10}),
            "vernier::KvCache: 1024 pages of 18014398509481984 bytes exceed the address space; lower num_pages");
}

TEST(KvLayout, RunsTileTheMemoryWithoutOverlap) {
  for (Precision p : test::kv_precisions)
    for (int head_dim : {8, 24, 64, 256}) {
      const KvLayout layout{{.precision = p, .page_tokens = 16}, {.layers = 2, .kv_heads = 3, .head_dim = head_dim, .num_pages = 5}};
      std::set<std::size_t> starts;
      for (int layer = 0; layer < 2; ++layer)
        for (int head = 0; head < 3; ++head)
          for (int page = 0; page < 5; ++page) starts.insert(layout.run(layer, head, page));
      std::size_t expected = 0;
      for (std::size_t start : starts) {
        EXPECT_EQ(start, expected);
        EXPECT_EQ(start % 64, 0u);
        expected += layout.run_bytes();
      }
      EXPECT_EQ(expected, layout.total_bytes());
      EXPECT_EQ(layout.total_bytes(), layout.page_bytes() * 5);
      const std::size_t codes = static_cast<std::size_t>(16 * (head_dim + (head_dim + 15) / 16 * 16) * bits(p) / 8);
      EXPECT_EQ(layout.run_bytes(), codes + (bits(p) == 8 ? 16 * 2 * sizeof(float) : 0));
    }
}

TEST(KvLayout, RowsAreOneTokenEach) {
  const KvLayout layout{{.precision = Precision::i8, .page_tokens = 16},
                        {.layers = 1, .kv_heads = 1, .head_dim = 80, .num_pages = 2},
                        KvOrder::rows};
  EXPECT_EQ(layout.key_index(3, 5), 5u * 80 + 3);
  EXPECT_EQ(layout.value_index(5, 3), 5u * 80 + 3);
  EXPECT_EQ(layout.run_bytes(), 16u * 2 * (80 + sizeof(float)));
  std::uint8_t memory[2 * 16 * 2 * (80 + sizeof(float))] = {};
  const ConstKvRun run = layout.run_in<const std::uint8_t>(memory, 0, 0, 0);
  EXPECT_EQ(run.values - run.keys, 16 * 80);
  EXPECT_EQ(reinterpret_cast<const std::uint8_t*>(run.key_scales) - run.values, 16 * 80);
  EXPECT_EQ(run.value_scales - run.key_scales, 16);
}

}  // namespace
}  // namespace vernier
