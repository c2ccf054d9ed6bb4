// Nibble planes and byte planes, exhaustively: prefixes are the formats that they claim to be, and all planes rebuild the weight.
#include "vernier/layout/planes.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "vernier/types/fp16.hpp"

namespace vernier {
namespace {

TEST(BytePlanes, RebuildEveryF16UpTo1_75) {
  int held = 0;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const std::uint16_t half = static_cast<std::uint16_t>(bits);
    const double value = static_cast<double>(f16{half}.decode());
    ASSERT_EQ(BytePlanes::holds(half), std::abs(value) <= 1.75) << value;  // false for NaN too
    if (!BytePlanes::holds(half)) continue;
    ++held;
    ASSERT_EQ(BytePlanes::split(half).join(), half) << value;
  }
  EXPECT_EQ(held, 2 * (0x3f00 + 1));
}

TEST(BytePlanes, UpperByteIsTheNearestE4m3) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const std::uint16_t half = static_cast<std::uint16_t>(bits);
    if (!BytePlanes::holds(half)) continue;
    const BytePlanes planes = BytePlanes::split(half);
    const float x = f16{half}.decode();
    ASSERT_EQ(planes.upper, e4m3::encode(x * 256.0f).bits) << x;
    ASSERT_EQ(planes.join_upper(), e4m3::encode(x * 256.0f).decode() / 256.0f) << x;
  }
}

TEST(NibblePlanes, FirstPlaneIsNf4) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float x = f16{static_cast<std::uint16_t>(bits)}.decode();
    if (!(std::abs(x) <= 1)) continue;
    ASSERT_EQ(NibblePlanes::split(x).nibbles[0], nf4::encode(x).bits) << x;
    ASSERT_EQ(NibblePlanes::split(x).join(1), nf4::encode(x).decode()) << x;
  }
}

TEST(NibblePlanes, EachPlaneDividesTheErrorBy16) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float x = f16{static_cast<std::uint16_t>(bits)}.decode();
    if (!(std::abs(x) <= 1)) continue;
    const NibblePlanes planes = NibblePlanes::split(x);
    const double width = static_cast<double>(NibblePlanes::bucket_end(planes.nibbles[0])) - NibblePlanes::bucket_begin(planes.nibbles[0]);
    const double roundings = 4 * 0x1p-24;  // of numbers below 1, in split and in join
    ASSERT_LE(std::abs(planes.join(2) - static_cast<double>(x)), width / 32 + roundings) << x;
    ASSERT_LE(std::abs(planes.join(3) - static_cast<double>(x)), width / 512 + roundings) << x;
  }
}

TEST(NibblePlanes, EveryPositionComesBackAndAllAreDifferent) {
  std::set<float> values;
  for (int code = 0; code < 16; ++code) {
    for (int position = 0; position < 256; ++position) {
      const NibblePlanes planes{
          {static_cast<std::uint8_t>(code), static_cast<std::uint8_t>(position >> 4), static_cast<std::uint8_t>(position & 15)}};
      const NibblePlanes again = NibblePlanes::split(planes.join(3));
      ASSERT_EQ(again.nibbles, planes.nibbles) << code << " " << position;
      values.insert(planes.join(3));
    }
  }
  EXPECT_EQ(values.size(), 4096u);
}

TEST(NibblePlanes, EndsAndBordersStayInTheirBucket) {
  EXPECT_EQ(NibblePlanes::split(1.0f).nibbles, (std::array<std::uint8_t, 3>{15, 15, 15}));
  EXPECT_EQ(NibblePlanes::split(-1.0f).nibbles, (std::array<std::uint8_t, 3>{0, 0, 0}));
  EXPECT_EQ(NibblePlanes::split(9.0f).nibbles, (std::array<std::uint8_t, 3>{15, 15, 15}));
  EXPECT_EQ(NibblePlanes::split(NAN).nibbles, (std::array<std::uint8_t, 3>{0, 0, 0}));
  for (std::uint8_t code = 0; code < 15; ++code)
    EXPECT_EQ(NibblePlanes::split(nf4::borders[code]).nibbles, (std::array<std::uint8_t, 3>{code, 15, 15}));
}

// A tier of t planes reads a prefix, and a weight has the same offset in each plane.
TEST(PlaneLayout, TiersArePrefixes) {
  for (const int plane_bits : {4, 8}) {
    const PlaneLayout layout{plane_bits, 70, 200};
    for (int plane = 0; plane < 3; ++plane) {
      for (int row = 0; row < 70; row += 3) {
        for (int col = 0; col < 200; col += 7) {
          const std::size_t offset = layout.byte_offset(plane, row, col);
          ASSERT_EQ(offset - layout.tier_bytes(plane), layout.byte_offset(0, row, col));
          ASSERT_LT(offset, layout.tier_bytes(plane + 1));
        }
      }
    }
    EXPECT_EQ(layout.plane_bytes(), 3u * 32u * 200u * static_cast<std::size_t>(plane_bits) / 8u);
  }
}

static_assert(BytePlanes::split(0x3c00).join() == 0x3c00 && BytePlanes::split(0x3c00).join_upper() == 1.0f);
static_assert(NibblePlanes::split(0.0f).nibbles[0] == nf4::zero_code && NibblePlanes::split(0.0f).join(1) == 0.0f);

}  // namespace
}  // namespace vernier
