// The masks see the keys that they say, by comparison with the plain definition of each.
#include "vernier/policy/mask.hpp"

#include <gtest/gtest.h>

namespace vernier {
namespace {

template <Mask M>
bool sees(const M& mask, int query, int key) {
  return key >= mask.first_key(query) && key < mask.end_key(query);
}

TEST(Mask, CausalSeesNothingLater) {
  for (int query = 0; query < 40; ++query)
    for (int key = 0; key < 45; ++key) EXPECT_EQ(sees(Causal{}, query, key), key <= query) << query << " " << key;
}

TEST(Mask, WindowCountsTheTokenItself) {
  for (int window : {1, 2, 5, 32, 1000})
    for (int query = 0; query < 80; ++query)
      for (int key = 0; key < 85; ++key)
        EXPECT_EQ(sees(SlidingWindow{window}, query, key), key <= query && key > query - window) << window << " " << query << " " << key;
}

TEST(Mask, WindowOfAnySizeDoesNotOverflow) {
  EXPECT_EQ(SlidingWindow{2147483647}.first_key(2147483646), 0);
  EXPECT_EQ(SlidingWindow{1}.first_key(2147483646), 2147483646);
}

}  // namespace
}  // namespace vernier
