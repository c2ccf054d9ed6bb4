// Float multiplies of every weight format on every instruction set against the double reference, over ragged shapes.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "gemm/gemm_case.hpp"

namespace vernier::test {
namespace {

class FloatGemm : public testing::TestWithParam<WeightFormat> {};

TEST_P(FloatGemm, MatchesTheReferenceWithinTheRoundingOfAChain) {
  cpu::ThreadPool pool(2);
  for (const Shape shape : shapes()) {
    const GemmCase c(GetParam(), shape, 65);
    for (const cpu::Isa isa : isas())
      for (const int m : {1, 2, 3, 8, 9, 33, 65}) {
        const std::vector<float> y = c.run(pool, {.isa = isa}, m);
        Worst worst;
        for (std::size_t i = 0; i < y.size(); ++i) worst.add(i, c.want[i], static_cast<double>(y[i]), chain_bound(c.k, c.sizes[i]));
        EXPECT_LE(worst.excess, 0) << describe(c, isa, m) << ": " << worst.text();
      }
  }
}

TEST_P(FloatGemm, CarriesNanAndInfinityAndKeepsThemInTheirToken) {
  cpu::ThreadPool pool(1);
  GemmCase c(GetParam(), {40, 96}, 14);
  std::vector<std::vector<float>> clean;
  for (const cpu::Isa isa : isas()) clean.push_back(c.run(pool, {.isa = isa}, c.m));
  c.x[3 * 96 + 50] = std::numeric_limits<float>::quiet_NaN();
  c.x[5 * 96 + 7] = std::numeric_limits<float>::infinity();
  c.x[13 * 96 + 95] = -std::numeric_limits<float>::infinity();
  c.update();
  for (std::size_t which = 0; const cpu::Isa isa : isas()) {
    const std::vector<float> y = c.run(pool, {.isa = isa}, c.m);
    for (int t = 0; t < c.m; ++t)
      for (int row = 0; row < c.n; ++row) {
        const std::size_t i = c.index(t, row);
        if (t == 3 || t == 5 || t == 13) {
          EXPECT_EQ(std::isnan(y[i]), std::isnan(c.want[i])) << describe(c, isa, t) << " row " << row;
          EXPECT_TRUE(std::isnan(c.want[i]) || static_cast<double>(y[i]) == c.want[i]) << describe(c, isa, t) << " row " << row;
        } else {
          EXPECT_EQ(y[i], clean[which][i]) << describe(c, isa, t) << " row " << row;
        }
      }
    ++which;
  }
}

std::string test_name(const testing::TestParamInfo<WeightFormat>& info) {
  return concat(name(info.param.precision), "_", name(info.param.scaling));
}
INSTANTIATE_TEST_SUITE_P(Formats, FloatGemm, testing::ValuesIn(weight_formats()), test_name);

/// Every code of p, finite number, NaN or infinity, decodes to its exact value, seen through a GEMM with one column.
void expect_every_code(Precision p, cpu::Multiply multiply) {
  cpu::ThreadPool pool(1);
  cpu::GemmWorkspace workspace;
  const int codes = 1 << bits(p);
  PackedMatrix w(codes, 1, default_format(p));
  std::memset(w.codes(), 0, w.panel().total_bytes());
  for (int code = 0; code < codes; ++code) std::memcpy(w.codes() + w.panel().byte_offset(code, 0), &code, bits(p) == 16 ? 2 : 1);
  for (int i = 0; i < w.panel().panels() * w.scale_groups() * CpuPanel::rows; ++i) w.scales()[i] = 1.0f;
  const float one = 1.0f;
  std::vector<float> y(static_cast<std::size_t>(codes));
  for (const cpu::Isa isa : isas()) {
    cpu::gemm(pool, MatrixView<const float>(&one, 1, 1), w.view(), MatrixView<float>(y.data(), 1, codes), workspace,
              {.multiply = multiply, .isa = isa});
    for (int code = 0; code < codes; ++code) {
      const double want = reference::weight(w.view(), code, 0), got = static_cast<double>(y[static_cast<std::size_t>(code)]);
      ASSERT_TRUE(std::isnan(want) ? std::isnan(got) : want == got)
          << name(isa) << " " << name(p) << " code " << code << ": " << want << " " << got;
    }
  }
}

TEST(FloatGemmCodes, DecodesEveryCodeExactly) {
  for (const Precision p : {Precision::f16, Precision::bf16, Precision::i8, Precision::e4m3, Precision::e5m2, Precision::nf4})
    expect_every_code(p, cpu::Multiply::f32);
  for (const Precision p : {Precision::e4m3, Precision::e5m2}) expect_every_code(p, cpu::Multiply::bf16);
}

}  // namespace
}  // namespace vernier::test
