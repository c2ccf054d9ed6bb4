// The norms of the CUDA side on the emulator: against the definition in double, in every output format and schedule; a row's bits do not
// depend on the batch.
#include <gtest/gtest.h>

#include <vector>

#include "cuda/every_schedule.hpp"
#include "support/compare.hpp"
#include "vernier/ops/reference.hpp"
#include "vernier/ops/rmsnorm.cuh"

namespace vernier::cuda {
namespace {

constexpr double eps = 0x1p-24;
constexpr float epsilon = 1e-5f;

/// Relative error of the norm. A thread adds its squares one by one, then come five steps of the butterfly and the warps; the square
/// rounds once, the root halves all that. Mean, epsilon, root, reciprocal and two products round once each.
double norm_bound(int n) {
  const int threads = n <= 4096 ? 128 : 512;
  return ((8 * ceil_div(n, 8 * threads) + 5 + threads / 32 + 1 + 2) / 2.0 + 4) * eps * 1.01;
}

struct Problem {
  int rows, n;
  std::vector<float> x, delta, weight;

  Problem(int rows_, int n_) : rows(rows_), n(n_) {
    x = test::normal(size(), 1, 3.0f);
    delta = test::normal(size(), 2, 0.5f);
    weight = test::normal(static_cast<std::size_t>(n), 3);
  }
  std::size_t size() const { return static_cast<std::size_t>(rows * n); }
  MatrixView<const float> view() const { return {x.data(), rows, n}; }

  /// norm(x) * weight, or of x + delta as float rounds it.
  std::vector<double> want(bool with_delta) const {
    std::vector<double> all;
    for (int r = 0; r < rows; ++r) {
      std::vector<double> row;
      for (int i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(r * n + i);
        row.push_back(static_cast<double>(with_delta ? x[at] + delta[at] : x[at]));
      }
      const std::vector<double> y = reference::rms_norm(row, weight, static_cast<double>(epsilon));
      all.insert(all.end(), y.begin(), y.end());
    }
    return all;
  }
};

/// What a value of T may differ by when it is rounded to T: half a unit in its last place, or of the subnormal numbers.
template <class T>
double rounding(double value) {
  if (std::is_same_v<T, f16>) return std::max(std::abs(value) * 0x1p-11, 0x1p-25);
  if (std::is_same_v<T, bf16>) return std::abs(value) * 0x1p-8 + 0x1p-134;
  return 0;
}

template <class T>
void expect_close(const std::vector<double>& want, const std::vector<T>& got, int n) {
  test::Worst worst;
  for (std::size_t i = 0; i < want.size(); ++i) {
    double value = 0;
    if constexpr (std::is_same_v<T, float>)
      value = static_cast<double>(got[i]);
    else
      value = static_cast<double>(got[i].decode());
    const double computed = norm_bound(n) * std::abs(want[i]) + 1e-37;
    worst.add(i, want[i], value, computed + rounding<T>(std::abs(want[i]) + computed));
  }
  EXPECT_LE(worst.excess, 0) << worst.text();
}

template <class T>
void expect_norm(int rows, int n) {
  SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(n));
  const Problem p(rows, n);
  const std::vector<double> plain = p.want(false), added = p.want(true);
  in_every_schedule([&] {
    std::vector<T> out(p.size());
    rms_norm(p.view(), p.weight.data(), epsilon, MatrixView<T>{out.data(), rows, n});
    expect_close(plain, out, n);
    std::vector<float> residual = p.x;
    add_rms_norm({residual.data(), rows, n}, {p.delta.data(), rows, n}, p.weight.data(), epsilon, MatrixView<T>{out.data(), rows, n});
    expect_close(added, out, n);
    for (std::size_t i = 0; i < residual.size(); ++i) ASSERT_EQ(residual[i], p.x[i] + p.delta[i]) << i;
  });
}

TEST(CudaRmsNorm, MatchesReference) {
  expect_norm<float>(3, 8);
  expect_norm<float>(2, 576);
  expect_norm<f16>(3, 1032);
  expect_norm<bf16>(2, 64);
  expect_norm<f16>(1, 4096);
}

TEST(CudaRmsNorm, WideRows) {
  expect_norm<f16>(1, 4104);
  const Problem p(1, 20000);
  std::vector<float> out(p.size());
  rms_norm(p.view(), p.weight.data(), epsilon, MatrixView<float>{out.data(), 1, p.n});
  expect_close(p.want(false), out, p.n);
}

/// A code is the nearest to value / scale, so it is within half a scale of the value, and within what the value and the scale are off.
template <class T>
void expect_quantized(int rows, int n) {
  const Problem p(rows, n);
  const std::vector<double> want = p.want(true);
  in_every_schedule([&] {
    std::vector<float> residual = p.x, scales(static_cast<std::size_t>(rows));
    std::vector<T> codes(p.size());
    const QuantizedRows<T> out{{codes.data(), rows, n}, scales.data()};
    add_rms_norm({residual.data(), rows, n}, {p.delta.data(), rows, n}, p.weight.data(), epsilon, out);
    test::Worst worst;
    for (int r = 0; r < rows; ++r) {
      double most = 0;
      for (int i = 0; i < n; ++i) most = std::max(most, std::abs(want[static_cast<std::size_t>(r * n + i)]));
      const double scale = static_cast<double>(scales[static_cast<std::size_t>(r)]), off = norm_bound(n) + 3 * eps;
      EXPECT_NEAR(scale, most / static_cast<double>(T::max), most * off);
      for (int i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(r * n + i);
        const double size = std::abs(want[at]);
        const double half = std::is_same_v<T, i8> ? scale / 2 : std::max(size * 0x1p-4, scale * 0x1p-10);
        worst.add(at, want[at], static_cast<double>(codes[at].decode()) * scale, half * (1 + off) + size * 2 * off);
      }
    }
    EXPECT_LE(worst.excess, 0) << worst.text();
  });
}

TEST(CudaRmsNorm, Quantized) {
  expect_quantized<i8>(3, 136);
  expect_quantized<e4m3>(2, 136);
}

TEST(CudaRmsNorm, ReadsSixteenBitRows) {
  const int rows = 2, n = 48;
  const Problem p(rows, n);
  std::vector<f16> half;
  std::vector<float> wide, a(p.size()), b(p.size());
  for (float x : p.x) {
    half.push_back(f16::encode(x));
    wide.push_back(half.back().decode());
  }
  rms_norm(MatrixView<const f16>{half.data(), rows, n}, p.weight.data(), epsilon, MatrixView<float>{a.data(), rows, n});
  rms_norm(MatrixView<const float>{wide.data(), rows, n}, p.weight.data(), epsilon, MatrixView<float>{b.data(), rows, n});
  EXPECT_EQ(a, b);
}

TEST(CudaRmsNorm, ARowDoesNotDependOnItsBatch) {
  const Problem p(5, 200);
  const auto norm = [&](int first, int rows) {
    std::vector<float> y(static_cast<std::size_t>(rows * p.n));
    rms_norm(p.view().slice_rows(first, rows), p.weight.data(), epsilon, MatrixView<float>{y.data(), rows, p.n});
    return y;
  };
  const std::vector<float> together = norm(0, p.rows);
  for (int r = 0; r < p.rows; ++r)
    EXPECT_EQ(norm(r, 1), std::vector<float>(together.begin() + r * p.n, together.begin() + (r + 1) * p.n)) << r;
}

TEST(CudaRmsNorm, InPlaceAndStrided) {
  const int rows = 3, n = 40, stride = 48;
  const Problem p(rows, n);
  std::vector<float> padded(static_cast<std::size_t>(rows * stride), NAN);
  const MatrixView<float> x{padded.data(), rows, n, stride};
  for (int r = 0; r < rows; ++r) std::copy_n(p.view().row(r), n, x.row(r));
  rms_norm(MatrixView<const float>{x}, p.weight.data(), epsilon, x);
  std::vector<float> got;
  for (int r = 0; r < rows; ++r) got.insert(got.end(), x.row(r), x.row(r) + n);
  expect_close(p.want(false), got, n);
  for (int r = 0; r < rows; ++r)
    for (int i = n; i < stride; ++i) EXPECT_TRUE(std::isnan(padded[static_cast<std::size_t>(r * stride + i)]));
}

TEST(CudaRmsNorm, NotANumberStaysVisible) {
  const int n = 32;
  Problem p(2, n);
  p.x[5] = INFINITY;
  std::vector<i8> codes(p.size());
  std::vector<float> scales(2);
  rms_norm(p.view(), p.weight.data(), epsilon, QuantizedRows<i8>{{codes.data(), 2, n}, scales.data()});
  EXPECT_TRUE(std::isnan(scales[0]));
  EXPECT_TRUE(std::isfinite(scales[1]));
}

TEST(CudaRmsNorm, HeadsAreRowsOfTheirOwn) {
  for (int head_dim : {8, 64, 100, 128, 256}) {
    SCOPED_TRACE(head_dim);
    const int rows = 3, heads = 3;
    const std::vector<float> start = test::normal(static_cast<std::size_t>(rows * heads * head_dim), 6, 2.0f);
    const std::vector<float> weight = test::normal(static_cast<std::size_t>(head_dim), 7);
    in_every_schedule([&] {
      std::vector<float> x = start;
      rms_norm_heads({x.data(), rows, heads * head_dim}, head_dim, weight.data(), epsilon);
      test::Worst worst;
      for (int h = 0; h < rows * heads; ++h) {
        const auto begin = start.begin() + h * head_dim;
        const auto want = reference::rms_norm(std::vector<double>(begin, begin + head_dim), weight, static_cast<double>(epsilon));
        for (int i = 0; i < head_dim; ++i) {
          const auto at = static_cast<std::size_t>(h * head_dim + i), col = static_cast<std::size_t>(i);
          // eight squares in a lane, five steps; then as above
          worst.add(at, want[col], static_cast<double>(x[at]), ((8 + 5 + 1 + 2) / 2.0 + 4) * eps * 1.01 * std::abs(want[col]) + 1e-37);
        }
      }
      EXPECT_LE(worst.excess, 0) << worst.text();
    });
  }
}

TEST(CudaRmsNorm, SaysWhatIsWrong) {
  std::vector<float> x(96), w(32);
  const MatrixView<const float> a{x.data(), 3, 32};
  const MatrixView<float> y{x.data(), 3, 32};
  EXPECT_THROW(rms_norm(a, w.data(), epsilon, MatrixView<float>{x.data(), 2, 48}), Error);
  EXPECT_THROW(rms_norm(a, w.data(), -1.0f, y), Error);
  EXPECT_THROW(rms_norm(a, w.data(), NAN, y), Error);
  EXPECT_THROW(rms_norm(a, nullptr, epsilon, y), Error);
  EXPECT_THROW(rms_norm(a, w.data() + 1, epsilon, y), Error);
  EXPECT_THROW(rms_norm(MatrixView<const float>{x.data() + 1, 2, 32}, w.data(), epsilon, MatrixView<float>{x.data(), 2, 32}), Error);
  EXPECT_THROW(rms_norm(MatrixView<const float>{x.data(), 2, 12}, w.data(), epsilon, MatrixView<float>{x.data(), 2, 12}), Error);
  EXPECT_THROW(rms_norm(MatrixView<const float>{x.data(), 0, 40000}, w.data(), epsilon, MatrixView<float>{x.data(), 0, 40000}), Error);
  EXPECT_THROW(rms_norm_heads(y, 12, w.data(), epsilon), Error);
  EXPECT_THROW(rms_norm_heads(y, 6, w.data(), epsilon), Error);
  EXPECT_THROW(rms_norm_heads(y, 512, w.data(), epsilon), Error);
  EXPECT_THROW(add_rms_norm(y, {x.data(), 2, 32}, w.data(), epsilon, y), Error);
}

}  // namespace
}  // namespace vernier::cuda
