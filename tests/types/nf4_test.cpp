// NF4: the table, every border (a tie goes down) and saturation. Bit equality with bitsandbytes is tested in quant/nf4_blocks_test.cpp.
#include "vernier/types/nf4.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace vernier {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

TEST(Nf4, TableIsAscendingFromMinusOneThroughZeroToOne) {
  EXPECT_TRUE(std::is_sorted(nf4::values.begin(), nf4::values.end()));
  EXPECT_EQ(nf4::values.front(), -1.0f);
  EXPECT_EQ(nf4::values[nf4::zero_code], 0.0f);
  EXPECT_EQ(nf4::values.back(), 1.0f);
}

TEST(Nf4, EveryCodeComesBack) {
  for (std::uint8_t code = 0; code < 16; ++code) EXPECT_EQ(nf4::encode(nf4{code}.decode()).bits, code);
  EXPECT_EQ(nf4{0xf3}.decode(), nf4{0x03}.decode());  // only the low four bits count
}

TEST(Nf4, NearestValueAndTiesGoDown) {
  for (std::uint8_t low = 0; low < 15; ++low) {
    const float border = nf4::borders[low];
    EXPECT_EQ(border, static_cast<float>((static_cast<double>(nf4::values[low]) + nf4::values[low + 1u]) / 2)) << int{low};
    EXPECT_EQ(nf4::encode(border).bits, low);
    EXPECT_EQ(nf4::encode(std::nextafterf(border, -infinity)).bits, low);
    EXPECT_EQ(nf4::encode(std::nextafterf(border, infinity)).bits, low + 1);
  }
}

TEST(Nf4, SaturatesAndTurnsNaNIntoCodeZero) {
  EXPECT_EQ(nf4::encode(infinity).bits, 15);
  EXPECT_EQ(nf4::encode(-infinity).bits, 0);
  EXPECT_EQ(nf4::encode(1.5f).bits, 15);
  EXPECT_EQ(nf4::encode(std::numeric_limits<float>::quiet_NaN()).bits, 0);
}

static_assert(nf4::encode(0.0f).bits == nf4::zero_code && nf4::encode(-0.0f).bits == nf4::zero_code);
static_assert(nf4{15}.decode() == 1.0f);

}  // namespace
}  // namespace vernier
