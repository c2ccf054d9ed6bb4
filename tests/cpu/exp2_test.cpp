// The vector versions of 2^x keep the error that exp2.hpp states.
#include <gtest/gtest.h>

#include <cmath>

#include "vernier/cpu/exp2.hpp"
#include "vernier/cpu/features.hpp"

#if defined(__x86_64__)

namespace vernier {
namespace {

VERNIER_TARGET_AVX2
void exp2_avx2(const float* x, float* y) { _mm256_storeu_ps(y, cpu::avx2::exp2(_mm256_loadu_ps(x))); }
VERNIER_TARGET_END

VERNIER_TARGET_AVX512
void exp2_avx512(const float* x, float* y) { _mm512_storeu_ps(y, cpu::avx512::exp2(_mm512_loadu_ps(x))); }
VERNIER_TARGET_END

float call(cpu::Isa isa, float x) {
  alignas(64) float in[16], out[16];
  for (float& i : in) i = x;
  isa == cpu::Isa::avx2 ? exp2_avx2(in, out) : exp2_avx512(in, out);
  return out[7];
}

class Exp2 : public testing::TestWithParam<cpu::Isa> {
  void SetUp() override {
    if (GetParam() > cpu::features().isa) GTEST_SKIP() << "this machine has no " << name(GetParam());
  }
};

TEST_P(Exp2, IsWithinTwoRoundings) {
  double worst = 0;
  for (int i = 0; i <= 1'000'000; ++i) {
    const float x = -125.0f * static_cast<float>(i) / 1'000'000.0f;
    const double want = std::exp2(static_cast<double>(x));
    worst = std::max(worst, std::abs(static_cast<double>(call(GetParam(), x)) - want) / want);
  }
  EXPECT_LE(worst, 1.4 * 0x1p-24);
}

TEST_P(Exp2, IsExactAtWholeNumbersAndKeepsNan) {
  for (int n = 0; n >= -125; --n) EXPECT_EQ(call(GetParam(), static_cast<float>(n)), std::ldexp(1.0f, n));
  for (float x : {-160.0f, -1000.0f, -3e38f, -INFINITY}) EXPECT_EQ(call(GetParam(), x), 0.0f) << x;
  EXPECT_TRUE(std::isnan(call(GetParam(), NAN)));
}

INSTANTIATE_TEST_SUITE_P(Isas, Exp2, testing::Values(cpu::Isa::avx2, cpu::Isa::avx512),
                         [](const auto& i) { return std::string(name(i.param)); });

}  // namespace
}  // namespace vernier

#endif
