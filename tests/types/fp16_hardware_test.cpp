// f16 against the processor's own conversion, where it has one: a second opinion on every code and on a million floats.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "vernier/types/fp16.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace vernier {
namespace {

__attribute__((target("avx,f16c"))) float decode_by_hardware(std::uint16_t bits) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}
__attribute__((target("avx,f16c"))) std::uint16_t encode_by_hardware(float x) {
  return static_cast<std::uint16_t>(_mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT)));
}
/// Every processor with AVX2 has F16C too; clang 14 cannot ask for the latter by name.
bool has_f16c() { return __builtin_cpu_supports("avx2"); }

TEST(F16Hardware, EveryCodeDecodesAlike) {
  if (!has_f16c()) GTEST_SKIP() << "no F16C";
  for (std::uint32_t code = 0; code < 65536; ++code) {
    const float ours = f16{static_cast<std::uint16_t>(code)}.decode(), theirs = decode_by_hardware(static_cast<std::uint16_t>(code));
    if (std::isnan(theirs))
      ASSERT_TRUE(std::isnan(ours)) << code;
    else
      ASSERT_EQ(float_bits(ours), float_bits(theirs)) << code;
  }
}

TEST(F16Hardware, FloatsEncodeAlike) {
  if (!has_f16c()) GTEST_SKIP() << "no F16C";
  constexpr std::uint32_t stride = 2053;  // a prime: every exponent, and mantissas of every kind
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += stride) {
    const float x = bits_float(static_cast<std::uint32_t>(bits));
    const std::uint16_t ours = f16::encode(x).bits;
    if (std::isnan(x))
      ASSERT_TRUE((ours & 0x7fff) > 0x7c00) << bits;
    else
      ASSERT_EQ(ours, encode_by_hardware(x)) << bits;
  }
}

}  // namespace
}  // namespace vernier
#else
TEST(F16Hardware, Absent) { GTEST_SKIP() << "not x86-64"; }
#endif
