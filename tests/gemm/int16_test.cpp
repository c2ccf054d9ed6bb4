// int16 multiplies of f16 and bf16 weights: exact against the same rounding in double, within the bound that the units imply, and exact
// altogether where nothing needs rounding.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "gemm/gemm_case.hpp"
#include "vernier/quant/repack.hpp"

namespace vernier::test {
namespace {

constexpr cpu::GemmOptions options{.multiply = cpu::Multiply::i16, .isa = cpu::Isa::avx512};

class Int16Gemm : public testing::Test {
 protected:
  void SetUp() override {
    if (cpu::features().isa < cpu::Isa::avx512)
      GTEST_SKIP() << "int16 multiplies need avx512; this machine has " << name(cpu::features().isa);
  }
  cpu::ThreadPool pool{2};
};

/// A group of 64 values as the multiply sees them, and half of what a code of 1 stands for.
struct Rounded {
  std::vector<double> values, half_unit;
  explicit Rounded(std::size_t size) : values(size), half_unit(size) {}

  /// `unit` of a group from its largest magnitude; a float, as in the kernels.
  template <class ValueAt, class UnitOf>
  void group(std::size_t at, int count, const ValueAt& value, const UnitOf& unit_of) {
    float largest = 0;
    for (int i = 0; i < count; ++i) largest = std::max(largest, std::abs(value(i)));
    const float unit = unit_of(largest), inverse = unit > 0 ? 1.0f / unit : 0.0f;
    for (int i = 0; i < count; ++i) {
      values[at + static_cast<std::size_t>(i)] = std::nearbyint(static_cast<double>(value(i) * inverse)) * static_cast<double>(unit);
      half_unit[at + static_cast<std::size_t>(i)] = 0.5 * static_cast<double>(unit);
    }
  }
};

template <class ValueAt, class UnitOf>
Rounded round_rows(int rows, int cols, const ValueAt& value, const UnitOf& unit_of) {
  Rounded rounded(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
  for (int row = 0; row < rows; ++row)
    for (int begin = 0; begin < cols; begin += cpu::int16_group)
      rounded.group(
          static_cast<std::size_t>(row) * static_cast<std::size_t>(cols) + static_cast<std::size_t>(begin),
          std::min(cpu::int16_group, cols - begin), [&](int i) { return value(row, begin + i); }, unit_of);
  return rounded;
}

Rounded activations(const GemmCase& c) {
  return round_rows(
      c.m, c.k, [&](int t, int col) { return c.inputs()(t, col); },
      [](float largest) { return largest / static_cast<float>(cpu::int16_largest); });
}
Rounded weights(const GemmCase& c) {
  return round_rows(
      c.n, c.k, [&](int row, int col) { return static_cast<float>(reference::weight(c.w.view(), row, col)); },
      [](float largest) { return largest > 0 ? std::ldexp(1.0f, std::max(std::ilogb(largest), -100) - 11) : 0.0f; });
}

void expect_matches(cpu::ThreadPool& pool, const GemmCase& c) {
  const Rounded x = activations(c), w = weights(c);
  std::vector<double> want(c.want.size()), size(c.want.size()), bound(c.want.size());
  for (int t = 0; t < c.m; ++t)
    for (int row = 0; row < c.n; ++row)
      for (int col = 0; col < c.k; ++col) {
        const std::size_t i = c.index(t, row), a = static_cast<std::size_t>(t * c.k + col), b = static_cast<std::size_t>(row * c.k + col);
        want[i] += x.values[a] * w.values[b];
        size[i] += std::abs(x.values[a] * w.values[b]);
        // Half a unit of each, times the other; a little more because x / unit is itself rounded.
        const double dx = x.half_unit[a] * 1.001, dw = w.half_unit[b];
        bound[i] += dx * (std::abs(w.values[b]) + dw) + dw * (std::abs(x.values[a]) + dx);
      }
  for (const int m : {1, 2, 3, 7, 8, 9, 16, 33}) {
    const std::vector<float> y = c.run(pool, options, m);
    Worst exact, implied;
    for (std::size_t i = 0; i < y.size(); ++i) {
      // The integer sums are exact: only their conversion, their scales and the sum over groups round.
      const double rounding = chain_bound(ceil_div(c.k, cpu::int16_group) + 4, size[i]);
      exact.add(i, want[i], static_cast<double>(y[i]), rounding);
      implied.add(i, c.want[i], static_cast<double>(y[i]), bound[i] + rounding);
    }
    EXPECT_LE(exact.excess, 0) << describe(c, options.isa, m) << " against the same rounding: " << exact.text();
    EXPECT_LE(implied.excess, 0) << describe(c, options.isa, m) << " against the reference: " << implied.text();
  }
}

TEST_F(Int16Gemm, MatchesTheReference) {
  for (const Precision p : {Precision::f16, Precision::bf16})
    for (const Shape shape : shapes()) expect_matches(pool, GemmCase(default_format(p), shape, 33));
}

/// x * W^T for W (n, k) of `values` in p.
std::vector<float> product(cpu::ThreadPool& pool, Precision p, int n, int k, const std::vector<float>& values,
                           const std::vector<float>& x) {
  const PackedMatrix w = quantize({values.data(), n, k}, default_format(p));
  const int m = static_cast<int>(x.size()) / k;
  std::vector<float> y(static_cast<std::size_t>(m * n));
  cpu::GemmWorkspace workspace;
  cpu::gemm(pool, MatrixView<const float>(x.data(), m, k), w.view(), MatrixView<float>(y.data(), m, n), workspace, options);
  return y;
}

TEST_F(Int16Gemm, SumsOfTheLargestCodesDoNotOverflow) {
  constexpr int n = 33, k = 4096;
  const float largest = f16::encode(1.99951171875f).decode();  // 2047 / 1024: the code 4094
  for (const float sign : {1.0f, -1.0f})
    for (const float y : product(pool, Precision::f16, n, k, std::vector<float>(n * k, sign * largest), std::vector<float>(k, 8191.0f)))
      EXPECT_NEAR(y, sign * largest * 8191.0f * k, chain_bound(k / cpu::int16_group + 4, largest * 8191.0 * k));
}

TEST_F(Int16Gemm, LosesNothingOfWeightsNearTheLargestOfTheirGroup) {
  // f16 weights down to a quarter of the power of two above the largest, bf16 weights down to a 32nd; activations that are integers.
  constexpr int k = 64;
  for (const auto& [p, least] : {std::pair{Precision::f16, 0.5f}, std::pair{Precision::bf16, 0.0625f}}) {
    std::vector<float> w(k), x(k);
    double want = 0;
    for (int i = 0; i < k; ++i) {
      const float value = (i % 2 != 0 ? -1.0f : 1.0f) * (i == 0 ? 1.5f : least * (1.0f + static_cast<float>(i) / k));
      w[static_cast<std::size_t>(i)] = p == Precision::f16 ? f16::encode(value).decode() : bf16::encode(value).decode();
      x[static_cast<std::size_t>(i)] = i == 0 ? 8191.0f : static_cast<float>(i * 37 % 4000 - 2000);
      want += static_cast<double>(w[static_cast<std::size_t>(i)]) * static_cast<double>(x[static_cast<std::size_t>(i)]);
    }
    EXPECT_EQ(product(pool, p, 1, k, w, x)[0], static_cast<float>(want)) << name(p);
  }
}

TEST_F(Int16Gemm, KeepsGroupsOfZerosAndOfTinyWeights) {
  std::vector<float> w(128, 0.0f), x(128, 8191.0f);
  EXPECT_EQ(product(pool, Precision::bf16, 1, 128, w, x)[0], 0.0f);
  w[5] = 0x1p-24f;  // the least f16
  EXPECT_EQ(product(pool, Precision::f16, 1, 128, w, x)[0], 8191 * 0x1p-24f);
  w[5] = 0x1p-120f;  // below the least unit, 2^-111: lost, as documented
  EXPECT_EQ(product(pool, Precision::bf16, 1, 128, w, x)[0], 0.0f);
  w[70] = 0x1p-110f;
  EXPECT_EQ(product(pool, Precision::bf16, 1, 128, w, x)[0], 8191 * 0x1p-110f);
}

TEST_F(Int16Gemm, ShowsWhatIsNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()})
    for (const int m : {1, 9, 33}) {
      GemmCase c({Precision::f16, Scaling::none, 0}, {40, 96}, 33);
      const std::vector<float> clean = c.run(pool, options, m);
      c.x[70] = bad;
      const std::vector<float> y = c.run(pool, options, m);
      for (std::size_t i = 0; i < y.size(); ++i)
        if (i < 40) {
          EXPECT_TRUE(std::isnan(y[i])) << i;
        } else {
          EXPECT_EQ(y[i], clean[i]) << i;
        }
    }
  GemmCase c({Precision::f16, Scaling::none, 0}, {40, 96}, 33);
  std::vector<std::uint16_t> codes(40 * 96);
  unpack_codes<Precision::f16>(c.w, 0, {codes.data(), 40, 96});
  codes[3 * 96 + 70] = 0x7c00;  // infinity, which no quantiser writes
  pack_codes<Precision::f16>(c.w, 0, {codes.data(), 40, 96});
  for (const int m : {1, 9, 33}) {
    const std::vector<float> y = c.run(pool, options, m);
    for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i % 40 == 3) << i;
  }
}

TEST(Multiply, IsRefusedByNameWhereTheInstructionSetLacksIt) {
  cpu::ThreadPool pool(1);
  const GemmCase c({Precision::f16, Scaling::none, 0}, {40, 96}, 1);
  try {
    (void)c.run(pool, {.multiply = cpu::Multiply::i16, .isa = cpu::Isa::scalar}, 1);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "vernier::cpu::gemm: no i16 multiply on scalar; use Multiply::f32, which every instruction set has");
  }
}

}  // namespace
}  // namespace vernier::test
