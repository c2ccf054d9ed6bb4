// The exponential holds its stated bound over the whole range of float, and silu follows from it.
#include "vernier/ops/exp.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "support/compare.hpp"
#include "vernier/ops/reference.hpp"
#include "vernier/ops/silu.hpp"

namespace vernier::ops {
namespace {

constexpr double eps = 0x1p-24;  // unit roundoff of float

// Every 509th float, of either sign: 8 million inputs with all exponents among them.
TEST(Exp, WithinFourRoundoffsOfTheTruth) {
  test::Worst worst;
  for (std::uint64_t bits = 0; bits < (1ull << 32); bits += 509) {
    const float x = bits_float(static_cast<std::uint32_t>(bits));
    const double want = std::exp(static_cast<double>(x));
    if (x != x || want > static_cast<double>(std::numeric_limits<float>::max())) continue;
    if (x < -87.33f)
      EXPECT_EQ(exp(x), 0.0f) << x;
    else
      worst.add(bits, want, static_cast<double>(exp(x)), 4 * eps * want);
  }
  EXPECT_LE(worst.excess, 0) << worst.text();
}

TEST(Exp, Edges) {
  EXPECT_EQ(exp(0.0f), 1.0f);
  EXPECT_EQ(exp(-0.0f), 1.0f);
  EXPECT_EQ(exp(INFINITY), INFINITY);
  EXPECT_EQ(exp(89.0f), INFINITY);
  EXPECT_TRUE(std::isfinite(exp(88.72f)));
  EXPECT_EQ(exp(-INFINITY), 0.0f);
  EXPECT_EQ(exp(-87.34f), 0.0f);
  EXPECT_GT(exp(-87.32f), 0.0f);
  EXPECT_TRUE(std::isnan(exp(std::numeric_limits<float>::quiet_NaN())));
  static_assert(exp(0.0f) == 1.0f, "vernier::ops::exp must work at compile time");
}

// silu(x) = x / d with d = 1 + e^-x: the 4 roundoffs of exp count at most in full, one for the sum, one for the quotient.
TEST(Silu, MatchesReference) {
  test::Worst worst;
  for (float x = -87.0f; x < 100.0f; x += 0.0173f) {
    const double want = reference::silu(static_cast<double>(x));
    worst.add(static_cast<std::size_t>((x + 87) * 100), want, static_cast<double>(silu(x)), 6.01 * eps * std::abs(want));
  }
  EXPECT_LE(worst.excess, 0) << worst.text();
  EXPECT_EQ(silu(0.0f), 0.0f);
  EXPECT_EQ(silu(-1e30f), 0.0f);
  EXPECT_EQ(silu(1e30f), 1e30f);
}

// The same in vectors, with one more roundoff for the product, in runs of any length and in place.
TEST(Silu, MatchesReferenceInVectors) {
  for (cpu::Isa isa : cpu::all_isas) {
    if (isa > cpu::features().isa) continue;
    std::vector<float> gate, up;
    for (float x = -86.0f; x < 88.0f; x += 0.01f) gate.push_back(x), up.push_back(1.5f);
    gate.insert(gate.end(), {0.0f, -1e30f, 1e30f, std::numeric_limits<float>::quiet_NaN()});
    up.resize(gate.size(), 1.0f);
    const int n = static_cast<int>(gate.size());
    std::vector<float> out(gate.size()), runs = gate;
    silu_multiply(gate.data(), up.data(), out.data(), n, isa);
    test::Worst worst;
    for (std::size_t i = 0; i + 4 < gate.size(); ++i) {
      const double want = reference::silu(static_cast<double>(gate[i])) * 1.5;
      worst.add(i, want, static_cast<double>(out[i]), 7.01 * eps * std::abs(want));
    }
    EXPECT_LE(worst.excess, 0) << name(isa) << ": " << worst.text();
    const float* const special = out.data() + n - 4;
    EXPECT_EQ(special[0], 0.0f);
    EXPECT_EQ(special[1], 0.0f);
    EXPECT_EQ(special[2], 1e30f);
    EXPECT_TRUE(std::isnan(special[3]));
    for (int at = 0, count = 1; at < n; at += count, count = count % 35 + 1)
      silu_multiply(runs.data() + at, up.data() + at, runs.data() + at, std::min(count, n - at), isa);
    EXPECT_EQ(std::memcmp(runs.data(), out.data(), out.size() * sizeof(float)), 0) << name(isa);
  }
}

}  // namespace
}  // namespace vernier::ops
