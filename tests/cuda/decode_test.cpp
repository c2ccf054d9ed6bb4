// The decoders of weights, code by code: every value is what the format says, to the bit or to what the decoder promises.
#include "vernier/gemm/decode.cuh"

#include <gtest/gtest.h>

#include <cmath>

#include "vernier/types/fp8.hpp"

namespace vernier::cuda {
namespace {

float element(const std::uint32_t (&pairs)[4], int i) { return f16{static_cast<std::uint16_t>(pairs[i / 2] >> 16 * (i % 2))}.decode(); }

/// Each code in each of the eight places, between others.
template <class Decoder>
void for_nf4(void (*check)(int code, float value)) {
  for (unsigned code = 0; code < 16; ++code)
    for (unsigned other = 0; other < 16; ++other)
      for (int place = 0; place < 8; ++place) {
        std::uint32_t word = 0;
        for (int i = 0; i < 8; ++i) word |= MmaTile::nf4_place(i == place ? code : other) << 4 * i;
        std::uint32_t pairs[4];
        Decoder().decode(word, pairs);
        check(static_cast<int>(code), element(pairs, place));
      }
}

TEST(Decode, Nf4InStepsOf127) {
  for_nf4<Nf4Steps>(
      [](int code, float value) { EXPECT_EQ(value, std::round(127.0f * nf4::values[static_cast<std::size_t>(code)])) << code; });
}
TEST(Decode, Nf4RoundedToHalves) {
  for_nf4<Nf4Halves>(
      [](int code, float value) { EXPECT_EQ(value, f16::encode(nf4::values[static_cast<std::size_t>(code)]).decode()) << code; });
}

template <class Decoder>
void for_bytes(void (*check)(std::uint8_t code, float value)) {
  for (std::uint32_t code = 0; code < 256; ++code)
    for (const std::uint32_t other : {0x00u, 0x5au, 0xffu})
      for (int place = 0; place < 4; ++place) {
        std::uint32_t word = 0, pairs[4] = {};
        for (int i = 0; i < 4; ++i) word |= (i == place ? code : other) << 8 * i;
        Decoder().decode(word, pairs[0], pairs[1]);
        check(static_cast<std::uint8_t>(code), element(pairs, place) * Decoder::unit);
      }
}
void expect_same(float want, float got, int code) { EXPECT_TRUE(want == got || (std::isnan(want) && std::isnan(got))) << code; }

TEST(Decode, Int8) {
  for_bytes<EightBits<Precision::i8>>([](std::uint8_t code, float value) { expect_same(static_cast<std::int8_t>(code), value, code); });
}
TEST(Decode, E5m2) {
  for_bytes<EightBits<Precision::e5m2>>([](std::uint8_t code, float value) { expect_same(e5m2{code}.decode(), value, code); });
}
/// NaN decodes as 480: repack_mma() has put it into the scale.
TEST(Decode, E4m3) {
  for_bytes<EightBits<Precision::e4m3>>([](std::uint8_t code, float value) {
    expect_same((code & 0x7f) == 0x7f ? (code == 0x7f ? 480.0f : -480.0f) : e4m3{code}.decode(), value, code);
  });
}

}  // namespace
}  // namespace vernier::cuda
