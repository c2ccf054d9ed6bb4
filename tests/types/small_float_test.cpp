// f16, bf16, e4m3 and e5m2, every code and every border between codes, against values computed from the layouts' definition in double.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/fp8.hpp"

namespace vernier {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

/// What the standards say, written down again: not taken from the code under test.
struct Definition {
  int exponent_bits, mantissa_bits;
  double max;
  bool has_infinity, saturates;
};

template <class T>
struct Of;
template <>
struct Of<f16> {
  static constexpr Definition value{5, 10, 65504.0, true, false};
};
template <>
struct Of<bf16> {
  static constexpr Definition value{8, 7, 0x1.fep127, true, false};
};
template <>
struct Of<e4m3> {
  static constexpr Definition value{4, 3, 448.0, false, true};
};
template <>
struct Of<e5m2> {
  static constexpr Definition value{5, 2, 57344.0, true, true};
};

/// The finite non-negative values in the order of their codes.
std::vector<double> finite_values(const Definition& d) {
  std::vector<double> values;
  const int bias = (1 << (d.exponent_bits - 1)) - 1;
  for (unsigned code = 0; code < 1u << (d.exponent_bits + d.mantissa_bits); ++code) {
    const unsigned field = code >> d.mantissa_bits, mantissa = code & ((1u << d.mantissa_bits) - 1);
    const double fraction = std::ldexp(mantissa, -d.mantissa_bits);
    const double value = field == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, static_cast<int>(field) - bias);
    if (value > d.max) break;
    values.push_back(value);
  }
  return values;
}

template <class T>
class SmallFloats : public testing::Test {
 public:
  using Bits = decltype(T::bits);
  static constexpr Definition definition = Of<T>::value;
  static constexpr unsigned sign = 1u << (definition.exponent_bits + definition.mantissa_bits);
  const std::vector<double> values = finite_values(definition);
  unsigned top() const { return static_cast<unsigned>(values.size() - 1); }

  static T code(unsigned bits) { return {static_cast<Bits>(bits)}; }
  static unsigned encoded(double x) {
    EXPECT_EQ(static_cast<double>(static_cast<float>(x)), x);  // borders are exact in float
    return T::encode(static_cast<float>(x)).bits;
  }
  /// What +x overflows to.
  unsigned overflowed() const { return definition.saturates ? top() : top() + 1; }
};
using Types = testing::Types<f16, bf16, e4m3, e5m2>;
TYPED_TEST_SUITE(SmallFloats, Types);

TYPED_TEST(SmallFloats, EveryFiniteCodeDecodesAndComesBack) {
  for (unsigned code = 0; code <= this->top(); ++code) {
    const float value = this->code(code).decode(), negative = this->code(code | this->sign).decode();
    ASSERT_EQ(static_cast<double>(value), this->values[code]) << code;
    ASSERT_EQ(static_cast<double>(negative), -this->values[code]) << code;
    ASSERT_FALSE(std::signbit(value)) << code;
    ASSERT_TRUE(std::signbit(negative)) << code;
    ASSERT_EQ(TypeParam::encode(value).bits, code);
    ASSERT_EQ(TypeParam::encode(negative).bits, code | this->sign);
  }
}

TYPED_TEST(SmallFloats, TheOtherCodesAreInfinityAndNaN) {
  for (unsigned code = this->top() + 1; code < this->sign; ++code) {
    for (const unsigned sign : {0u, this->sign}) {
      const float value = this->code(code | sign).decode();
      if (this->definition.has_infinity && code == this->top() + 1)
        ASSERT_EQ(value, sign != 0 ? -infinity : infinity);
      else
        ASSERT_TRUE(std::isnan(value)) << code;
      ASSERT_EQ(std::signbit(value), sign != 0);
    }
  }
}

TYPED_TEST(SmallFloats, RoundsToNearestEvenAtEveryBorderAndBesideIt) {
  for (unsigned low = 0; low < this->top(); ++low) {
    const double border = (this->values[low] + this->values[low + 1]) / 2;
    const float here = static_cast<float>(border);
    const unsigned even = low % 2 == 0 ? low : low + 1;
    ASSERT_EQ(this->encoded(border), even) << border;
    ASSERT_EQ(this->encoded(-border), even | this->sign) << border;
    ASSERT_EQ(this->encoded(std::nextafterf(here, -infinity)), low) << border;
    ASSERT_EQ(this->encoded(std::nextafterf(here, infinity)), low + 1) << border;
    ASSERT_EQ(this->encoded(-std::nextafterf(here, -infinity)), low | this->sign) << border;
    ASSERT_EQ(this->encoded(-std::nextafterf(here, infinity)), (low + 1) | this->sign) << border;
  }
}

TYPED_TEST(SmallFloats, OverflowsAsDocumented) {
  const double step = this->values[this->top()] - this->values[this->top() - 1];
  const float border = static_cast<float>(this->definition.max + step / 2);  // a tie between the largest code and the next, even, one
  const std::uint32_t float_max = 0x7f7fffff;
  for (const float x : {border, std::nextafterf(border, infinity), bits_float(float_max), infinity}) {
    EXPECT_EQ(this->encoded(x), this->overflowed()) << x;
    EXPECT_EQ(this->encoded(-x), this->overflowed() | this->sign) << x;
  }
  EXPECT_EQ(this->encoded(std::nextafterf(border, 0.0f)), this->top());
}

TYPED_TEST(SmallFloats, KeepsNaNWhateverItsPayload) {
  for (const std::uint32_t payload : {1u, 0x1fffu, 0x2000u, 0x3fffffu, 0x400000u, 0x7fffffu}) {
    const TypeParam plus = TypeParam::encode(bits_float(0x7f800000u | payload)),
                    minus = TypeParam::encode(bits_float(0xff800000u | payload));
    EXPECT_TRUE(std::isnan(plus.decode())) << payload;
    EXPECT_TRUE(std::isnan(minus.decode())) << payload;
    EXPECT_EQ(minus.bits, plus.bits | this->sign);
  }
}

TYPED_TEST(SmallFloats, VanishesBelowHalfTheSmallestCode) {
  const float half = static_cast<float>(this->values[1] / 2);  // a tie with zero, which is even
  for (const float x : {half, std::nextafterf(half, 0.0f), std::numeric_limits<float>::denorm_min(), 0.0f}) {
    EXPECT_EQ(this->encoded(x), 0u) << x;
    EXPECT_EQ(this->encoded(-x), this->sign) << x;
  }
}

// Usable at compile time, special values included.
static_assert(f16::encode(1.0f).bits == 0x3c00 && f16{0x0001}.decode() == 0x1p-24f && f16::encode(1e9f).bits == 0x7c00);
static_assert(f16::encode(std::numeric_limits<float>::quiet_NaN()).bits == 0x7e00 && f16::encode(infinity).bits == 0x7c00);
static_assert(bf16::encode(1.0f).bits == 0x3f80 && bf16::encode(3.4e38f).bits == 0x7f80 && bf16{0xc000}.decode() == -2.0f);
static_assert(e4m3::encode(448.0f).bits == 0x7e && e4m3::encode(-1e9f).bits == 0xfe && e4m3{0x01}.decode() == 0x1p-9f);
static_assert(e5m2::encode(57344.0f).bits == 0x7b && e5m2::encode(infinity).bits == 0x7b && e5m2{0x7c}.decode() == infinity);

}  // namespace
}  // namespace vernier
