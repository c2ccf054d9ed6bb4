// Pages are handed out once, come back with their last holder, and an empty pool says no.
#include "vernier/kv/page_pool.hpp"

#include <gtest/gtest.h>

#include <set>

#include "support/kv.hpp"

namespace vernier {
namespace {

TEST(PagePool, HandsOutEachPageOnceInOrderAndThenSaysNo) {
  PagePool pool(5);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(pool.allocate(), i);  // neighbours, so that a sequence is one stream
  EXPECT_EQ(pool.allocate(), PagePool::no_page);
  EXPECT_EQ(pool.free(), 0);
  EXPECT_EQ(pool.used(), 5);
  pool.release(3);
  EXPECT_EQ(pool.references(3), 0);
  EXPECT_EQ(pool.allocate(), 3);
  EXPECT_EQ(pool.allocate(), PagePool::no_page);
}

TEST(PagePool, KeepsAPageUntilItsLastHolderLeaves) {
  PagePool pool(1);
  const int page = pool.allocate();
  pool.retain(page);
  EXPECT_EQ(pool.references(page), 2);
  pool.release(page);
  EXPECT_EQ(pool.free(), 0);
  pool.release(page);
  EXPECT_EQ(pool.free(), 1);
}

TEST(PagePool, NamesThePageThatIsMisused) {
  PagePool pool(2);
  EXPECT_EQ(test::error_of([&] { pool.release(1); }), "vernier::PagePool::release: page 1 is free already");
  EXPECT_EQ(test::error_of([&] { pool.retain(0); }), "vernier::PagePool::retain: page 0 is free");
  EXPECT_EQ(test::error_of([&] { pool.release(2); }), "vernier::PagePool: page 2 is not one of 2");
  EXPECT_EQ(test::error_of([&] { pool.retain(-1); }), "vernier::PagePool: page -1 is not one of 2");
}

}  // namespace
}  // namespace vernier
