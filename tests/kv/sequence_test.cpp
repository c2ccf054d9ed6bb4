// Sequences share pages, copy a shared last page before writing to it, and take all the pages they ask for or none.
#include <gtest/gtest.h>

#include "support/kv.hpp"
#include "vernier/attention/reference.hpp"
#include "vernier/kv/cache.hpp"

namespace vernier {
namespace {

const KvGeometry small{.layers = 2, .kv_heads = 2, .head_dim = 8, .num_pages = 6};

TEST(KvSequence, TakesPagesAsItGrowsAndGivesThemBack) {
  KvCache cache({.page_tokens = 16}, small);
  {
    KvSequence sequence(cache);
    EXPECT_TRUE(sequence.extend(0));
    EXPECT_EQ(cache.used_pages(), 0);
    EXPECT_TRUE(sequence.extend(16));
    EXPECT_EQ(cache.used_pages(), 1);
    EXPECT_EQ(sequence.pages_needed(1), 1);
    EXPECT_TRUE(sequence.extend(1));
    EXPECT_TRUE(sequence.extend(15));
    EXPECT_EQ(cache.used_pages(), 2);
    sequence.truncate(17);
    EXPECT_EQ(cache.used_pages(), 2);
    sequence.truncate(16);
    EXPECT_EQ(cache.used_pages(), 1);
    sequence.truncate(30);  // nothing to forget
    EXPECT_EQ(sequence.tokens(), 16);
    EXPECT_TRUE(sequence.extend(40));
    EXPECT_EQ(sequence.pages().size(), 4u);
  }
  EXPECT_EQ(cache.free_pages(), 6);
}

TEST(KvSequence, AnExhaustedPoolSaysNoAndChangesNothing) {
  KvCache cache({.page_tokens = 16}, small);
  KvSequence a(cache), b(cache);
  ASSERT_TRUE(a.extend(50));  // four pages
  EXPECT_FALSE(b.extend(33));
  EXPECT_EQ(b.tokens(), 0);
  EXPECT_EQ(cache.used_pages(), 4);
  EXPECT_TRUE(b.extend(32));
  EXPECT_FALSE(b.extend(1));
  EXPECT_EQ(b.tokens(), 32);
  KvSequence c = a.fork(50);
  EXPECT_FALSE(c.extend(1));  // the copy of the shared page cannot be had
  EXPECT_EQ(c.pages()[3], a.pages()[3]);
  b.truncate(0);
  EXPECT_TRUE(c.extend(1));
  EXPECT_NE(c.pages()[3], a.pages()[3]);
}

TEST(KvSequence, ForksSeeTheSameTokensUntilOneWrites) {
  cpu::ThreadPool pool(1);
  for (Precision p : test::kv_precisions) {
    KvCache cache({.precision = p, .page_tokens = 16}, small);
    KvSequence a(cache);
    ASSERT_TRUE(a.extend(20));
    for (int layer : {0, 1}) test::fill(pool, cache, layer, a.last(20), 100);
    KvSequence b = a.fork(18);
    EXPECT_EQ(cache.used_pages(), 2);
    EXPECT_EQ(b.tokens(), 18);
    EXPECT_EQ(b.pages_needed(1), 1);  // the copy
    const double shared = reference::cached_key(cache, 1, 1, a.pages(), 19, 3);

    ASSERT_TRUE(b.extend(2));
    EXPECT_EQ(cache.used_pages(), 3);
    EXPECT_EQ(a.pages()[0], b.pages()[0]);
    for (int layer : {0, 1}) test::fill(pool, cache, layer, b.last(2), 999);
    EXPECT_EQ(reference::cached_key(cache, 1, 1, a.pages(), 19, 3), shared);
    EXPECT_NE(reference::cached_key(cache, 1, 1, b.pages(), 19, 3), shared);
    for (int layer : {0, 1})
      for (int position = 0; position < 18; ++position)
        for (int d = 0; d < 8; ++d) {
          EXPECT_EQ(reference::cached_key(cache, layer, 1, a.pages(), position, d),
                    reference::cached_key(cache, layer, 1, b.pages(), position, d));
          EXPECT_EQ(reference::cached_value(cache, layer, 1, a.pages(), position, d),
                    reference::cached_value(cache, layer, 1, b.pages(), position, d));
        }
    // Now a is the only holder of its last page: growing inside it copies nothing.
    EXPECT_EQ(a.pages_needed(1), 0);
  }
}

TEST(KvSequence, MovesWithoutLosingOrSharingPages) {
  KvCache cache({.page_tokens = 16}, small);
  KvSequence a(cache);
  ASSERT_TRUE(a.extend(20));
  KvSequence b = std::move(a);
  EXPECT_EQ(b.tokens(), 20);
  KvSequence c(cache);
  ASSERT_TRUE(c.extend(1));
  c = std::move(b);
  EXPECT_EQ(c.tokens(), 20);
  c = KvSequence(cache);
  b.truncate(0);  // holds what c had before
  EXPECT_EQ(cache.used_pages(), 0);
}

TEST(KvSequence, NamesWrongCounts) {
  KvCache cache({.page_tokens = 16}, small);
  KvSequence a(cache);
  ASSERT_TRUE(a.extend(5));
  EXPECT_EQ(test::error_of([&] { (void)a.fork(6); }), "vernier::KvSequence::fork: tokens = 6, expected 0 to 5");
  EXPECT_EQ(test::error_of([&] { (void)a.last(6); }), "vernier::KvSequence::last: count = 6, expected 0 to 5");
  EXPECT_NE(test::error_of([&] { (void)a.extend(-1); }).find("count = -1"), std::string::npos);
  EXPECT_NE(test::error_of([&] { (void)a.extend(2147483647); }).find("count = 2147483647"), std::string::npos);
}

}  // namespace
}  // namespace vernier
