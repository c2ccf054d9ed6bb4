// Integer multiplies: exact against the same quantisation in double, and within the bound that the activation scales imply.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "gemm/gemm_case.hpp"

namespace vernier::test {
namespace {

const std::vector<WeightFormat> formats{{Precision::i8, Scaling::row, 0},
                                        {Precision::i8, Scaling::group, 32},
                                        {Precision::i8, Scaling::group, 96},
                                        {Precision::nf4, Scaling::group, 64}};

/// x rounded as documented: per group of 32 columns (or the whole token) to scale = absmax / 127. Also half of each scale.
struct Rounded {
  std::vector<double> x, half_step;
  Rounded(const GemmCase& c, cpu::ActivationScaling scaling) : x(c.x.size()), half_step(c.x.size()) {
    const int span = scaling == cpu::ActivationScaling::token ? c.k : cpu::activation_group(c.w.format().precision);
    for (int t = 0; t < c.m; ++t)
      for (int begin = 0; begin < c.k; begin += span) {
        float absmax = 0;
        const auto at = [&](int col) {
          return static_cast<std::size_t>(t) * static_cast<std::size_t>(c.k) + static_cast<std::size_t>(col);
        };
        for (int col = begin; col < std::min(c.k, begin + span); ++col) absmax = std::max(absmax, std::abs(c.x[at(col)]));
        const float scale = absmax / 127.0f, inverse = scale > 0 ? 1.0f / scale : 0.0f;
        for (int col = begin; col < std::min(c.k, begin + span); ++col) {
          x[at(col)] = static_cast<double>(i8::encode(c.x[at(col)] * inverse).bits) * static_cast<double>(scale);
          half_step[at(col)] = 0.5 * static_cast<double>(scale);
        }
      }
  }
};

/// The weight as the integer multiply sees it.
double integer_weight(const PackedView& w, int row, int col) {
  const double exact = reference::weight(w, row, col);
  if (w.format.precision != Precision::nf4) return exact;
  const double scale = static_cast<double>(w.scale(row, col));
  return scale == 0 ? 0 : std::nearbyint(exact / scale * 127.0) / 127.0 * scale;
}

void expect_matches(cpu::ThreadPool& pool, const GemmCase& c, cpu::ActivationScaling scaling) {
  const Rounded rounded(c, scaling);
  std::vector<double> want(c.want.size()), size(c.want.size()), bound(c.want.size());
  for (int row = 0; row < c.n; ++row)
    for (int col = 0; col < c.k; ++col) {
      const double w = reference::weight(c.w.view(), row, col), integer = integer_weight(c.w.view(), row, col);
      for (int t = 0; t < c.m; ++t) {
        const std::size_t i = c.index(t, row),
                          from = static_cast<std::size_t>(t) * static_cast<std::size_t>(c.k) + static_cast<std::size_t>(col);
        want[i] += rounded.x[from] * integer;
        size[i] += std::abs(rounded.x[from] * integer);
        // Half a step of the activation, a little more because x / scale is itself rounded; and what an nf4 value loses to 1/127.
        bound[i] += rounded.half_step[from] * 1.0001 * std::abs(w) + std::abs(rounded.x[from]) * std::abs(integer - w);
      }
    }
  for (const cpu::Isa isa : isas())
    for (const int m : {1, 3, 8, 9, 33}) {
      const std::vector<float> y = c.run(pool, {.multiply = cpu::Multiply::i8, .activation_scaling = scaling, .isa = isa}, m);
      Worst exact, implied;
      for (std::size_t i = 0; i < y.size(); ++i) {
        // The integer sums are exact: only their scaling and the sum over groups of 32 round.
        const double rounding = chain_bound(c.k / cpu::activation_group(c.w.format().precision) + 4, size[i]);
        exact.add(i, want[i], static_cast<double>(y[i]), rounding);
        implied.add(i, c.want[i], static_cast<double>(y[i]), bound[i] + rounding);
      }
      EXPECT_LE(exact.excess, 0) << describe(c, isa, m) << " against the same quantisation: " << exact.text();
      EXPECT_LE(implied.excess, 0) << describe(c, isa, m) << " against exact activations: " << implied.text();
    }
}

TEST(Int8Gemm, MatchesTheReferencePerGroup) {
  cpu::ThreadPool pool(2);
  for (const WeightFormat format : formats)
    for (const Shape shape : shapes()) expect_matches(pool, GemmCase(format, shape, 33), cpu::ActivationScaling::group);
}

TEST(Int8Gemm, MatchesTheReferencePerToken) {
  cpu::ThreadPool pool(2);
  for (const WeightFormat format : formats) expect_matches(pool, GemmCase(format, {70, 322}, 33), cpu::ActivationScaling::token);
}

TEST(Int8Gemm, TakesTheLargestCodesWithoutSaturation) {
  cpu::ThreadPool pool(1);
  const int n = 33, k = 4096;
  for (const float sign : {1.0f, -1.0f}) {
    const std::vector<float> dense(static_cast<std::size_t>(n) * k, sign);
    const PackedMatrix w = quantize({dense.data(), n, k}, {Precision::i8, Scaling::row, 0});
    const std::vector<float> x(k, 127.0f);
    cpu::GemmWorkspace workspace;
    for (const cpu::Isa isa : isas()) {
      std::vector<float> y(n);
      cpu::gemm(pool, MatrixView<const float>(x.data(), 1, k), w.view(), MatrixView<float>(y.data(), 1, n), workspace,
                {.multiply = cpu::Multiply::i8, .isa = isa});
      for (const float value : y)
        EXPECT_NEAR(value, sign * 127.0f * k, chain_bound(k / 32 + 4, 127.0 * k) + 127.0 * k * 2 * float_epsilon) << name(isa);
    }
  }
}

TEST(Int8Gemm, MakesATokenNanWhenItHoldsNanOrInfinity) {
  cpu::ThreadPool pool(1);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()})
    for (const cpu::Isa isa : isas()) {
      GemmCase c({Precision::i8, Scaling::row, 0}, {40, 96}, 7);
      const std::vector<float> clean = c.run(pool, {.multiply = cpu::Multiply::i8, .isa = isa}, c.m);
      c.x[2 * 96 + 40] = bad;
      const std::vector<float> y = c.run(pool, {.multiply = cpu::Multiply::i8, .isa = isa}, c.m);
      for (int t = 0; t < c.m; ++t)
        for (int row = 0; row < c.n; ++row) {
          if (t == 2) {
            EXPECT_TRUE(std::isnan(y[c.index(t, row)])) << name(isa) << " row " << row;
            continue;
          }
          EXPECT_EQ(y[c.index(t, row)], clean[c.index(t, row)]) << name(isa) << " token " << t << " row " << row;
        }
    }
}

}  // namespace
}  // namespace vernier::test
