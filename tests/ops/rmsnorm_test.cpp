// RMS norm, alone, with a residual and per head, against the definition in double; a row's bits do not depend on the batch.
#include "vernier/ops/rmsnorm.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "support/compare.hpp"
#include "vernier/ops/reference.hpp"

namespace vernier::ops {
namespace {

constexpr double eps = 0x1p-24;

// Relative error of the norm: the sum of n positive squares rounds ceil(n / 16) + 4 times along its longest path and once for the
// square; the square root halves it. Mean, epsilon, root, reciprocal and the two products round once each.
double relative_bound(int n) { return ((n / 16 + 1 + 4 + 1 + 2) / 2.0 + 4) * eps * 1.01; }

std::vector<double> wide(const float* x, int n) { return {x, x + n}; }

TEST(RmsNorm, MatchesReference) {
  for (int n : {1, 5, 16, 31, 64, 576, 4097}) {
    const int rows = 3;
    const std::vector<float> x = test::normal(static_cast<std::size_t>(rows * n), 1, 3.0f);
    const std::vector<float> weight = test::normal(static_cast<std::size_t>(n), 2);
    std::vector<float> y(x.size());
    rms_norm({x.data(), rows, n}, weight.data(), 1e-5f, {y.data(), rows, n});
    test::Worst worst;
    for (int r = 0; r < rows; ++r) {
      const auto want = reference::rms_norm(wide(x.data() + r * n, n), weight, static_cast<double>(1e-5f));
      for (int i = 0; i < n; ++i) {
        const std::size_t at = static_cast<std::size_t>(r * n + i), col = static_cast<std::size_t>(i);
        worst.add(at, want[col], static_cast<double>(y[at]), relative_bound(n) * std::abs(want[col]) + 1e-37);
      }
    }
    EXPECT_LE(worst.excess, 0) << "n = " << n << ", " << worst.text();
  }
}

TEST(RmsNorm, ZerosStayZeros) {
  std::vector<float> x(24, 0.0f), weight(24, 1.0f);
  rms_norm({x.data(), 1, 24}, weight.data(), 1e-5f, {x.data(), 1, 24});
  for (float value : x) EXPECT_EQ(value, 0.0f);
}

TEST(RmsNorm, ResidualIsAddedAndKept) {
  const int rows = 2, n = 70;
  std::vector<float> residual = test::normal(rows * n, 3), want_sum = residual;
  const std::vector<float> delta = test::normal(rows * n, 4), weight = test::normal(n, 5);
  for (std::size_t i = 0; i < want_sum.size(); ++i) want_sum[i] += delta[i];
  std::vector<float> y(residual.size()), want(residual.size());
  add_rms_norm({residual.data(), rows, n}, {delta.data(), rows, n}, weight.data(), 1e-6f, {y.data(), rows, n});
  rms_norm({want_sum.data(), rows, n}, weight.data(), 1e-6f, {want.data(), rows, n});
  EXPECT_EQ(residual, want_sum);
  EXPECT_EQ(y, want);
}

TEST(RmsNorm, HeadsAreRowsOfTheirOwn) {
  const int rows = 2, heads = 3, dim = 24;
  std::vector<float> x = test::normal(rows * heads * dim, 6), want(x.size());
  const std::vector<float> weight = test::normal(dim, 7);
  rms_norm({x.data(), rows * heads, dim}, weight.data(), 1e-6f, {want.data(), rows * heads, dim});
  rms_norm_heads({x.data(), rows, heads * dim}, dim, weight.data(), 1e-6f);
  EXPECT_EQ(x, want);
}

TEST(RmsNorm, RowsDependOnThemselvesAlone) {
  const int rows = 67, n = 320;  // enough for the pool to be used
  const std::vector<float> x = test::normal(rows * n, 8), weight = test::normal(n, 9);
  std::vector<float> alone(x.size());
  for (int r = 0; r < rows; ++r) rms_norm({x.data() + r * n, 1, n}, weight.data(), 1e-5f, {alone.data() + r * n, 1, n});
  for (int threads : {1, 2, 5}) {
    cpu::ThreadPool pool(threads);
    std::vector<float> y(x.size());
    rms_norm({x.data(), rows, n}, weight.data(), 1e-5f, {y.data(), rows, n}, &pool);
    EXPECT_EQ(std::memcmp(y.data(), alone.data(), y.size() * 4), 0) << threads << " threads";
  }
}

TEST(RmsNorm, SaysWhatIsWrong) {
  std::vector<float> x(12), weight(12);
  const MatrixView<float> a{x.data(), 2, 6}, b{x.data(), 3, 4};
  EXPECT_THROW(rms_norm(a, weight.data(), 1e-5f, b), Error);
  EXPECT_THROW(rms_norm(a, weight.data(), -1.0f, a), Error);
  EXPECT_THROW(rms_norm(a, weight.data(), INFINITY, a), Error);
  EXPECT_THROW(rms_norm_heads(a, 4, weight.data(), 1e-5f), Error);
  EXPECT_THROW(add_rms_norm(a, b, weight.data(), 1e-5f, a), Error);
}

}  // namespace
}  // namespace vernier::ops
