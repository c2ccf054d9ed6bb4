// i8: every code, every border between codes, saturation and NaN.
#include "vernier/types/int8.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace vernier {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

TEST(Int8, EveryCodeComesBack) {
  for (int code = -127; code <= 127; ++code) {
    const i8 encoded = i8::encode(static_cast<float>(code));
    EXPECT_EQ(encoded.bits, code);
    EXPECT_EQ(encoded.decode(), static_cast<float>(code));
  }
  EXPECT_EQ(i8{-128}.decode(), -128.0f);  // read as what it says, though never written
}

TEST(Int8, RoundsToNearestEvenAtEveryBorderAndBesideIt) {
  for (int low = -127; low < 127; ++low) {
    const float border = static_cast<float>(low) + 0.5f;
    EXPECT_EQ(i8::encode(border).bits, low % 2 == 0 ? low : low + 1) << border;
    EXPECT_EQ(i8::encode(std::nextafterf(border, -infinity)).bits, low) << border;
    EXPECT_EQ(i8::encode(std::nextafterf(border, infinity)).bits, low + 1) << border;
  }
  EXPECT_EQ(i8::encode(-0.0f).bits, 0);
  EXPECT_EQ(i8::encode(std::numeric_limits<float>::denorm_min()).bits, 0);
}

TEST(Int8, SaturatesWithoutMinus128) {
  for (const float x : {127.5f, 128.0f, 1e9f, std::numeric_limits<float>::max(), infinity}) {
    EXPECT_EQ(i8::encode(x).bits, 127) << x;
    EXPECT_EQ(i8::encode(-x).bits, -127) << x;
  }
}

TEST(Int8, NaNIsZero) {
  for (const std::uint32_t bits : {0x7fc00000u, 0x7f800001u, 0xffffffffu, 0x7fffff55u}) EXPECT_EQ(i8::encode(bits_float(bits)).bits, 0);
}

static_assert(i8::encode(-126.5f).bits == -126 && i8::encode(infinity).bits == 127);
static_assert(i8::encode(std::numeric_limits<float>::quiet_NaN()).bits == 0);

}  // namespace
}  // namespace vernier
