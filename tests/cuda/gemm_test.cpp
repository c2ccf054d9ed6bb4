// The CUDA GEMM on the emulator, against a sum in double: ragged shapes, epilogues, every schedule.
#include "vernier/gemm/gemm.cuh"

#include <gtest/gtest.h>

#include <vector>

#include "support/compare.hpp"

namespace vernier::cuda {
namespace {

constexpr GemmConfig small_tiles{.tile_m = 32, .tile_n = 32, .warp_m = 16, .warp_n = 16, .stages = 2};
constexpr GemmConfig long_steps{.tile_m = 32, .tile_n = 64, .tile_k = 64, .warp_m = 32, .warp_n = 16, .stages = 4};

/// x (m, k) and w (n, k) with rows padded to a multiple of eight elements, in vectors of exactly that size: ASan watches both ends.
template <class T>
struct Problem {
  int m, n, k, stride;
  std::vector<T> x, w;
  std::vector<float> bias, residual;
  std::vector<double> want, sizes;  // x * w^T and |x| * |w|^T

  Problem(int m_, int n_, int k_) : m(m_), n(n_), k(k_), stride(round_up(k_, 8)) {
    x = random(m, 1);
    w = random(n, 2);
    bias = test::normal(static_cast<std::size_t>(n), 3);
    residual = test::normal(static_cast<std::size_t>(m * n), 4);
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        double sum = 0, size = 0;
        for (int c = 0; c < k; ++c) {
          const double product = static_cast<double>(xs()(i, c).decode()) * static_cast<double>(ws()(j, c).decode());
          sum += product;
          size += std::abs(product);
        }
        want.push_back(sum);
        sizes.push_back(size);
      }
  }
  std::vector<T> random(int rows, unsigned seed) const {
    std::vector<T> values;
    for (float value : test::normal(static_cast<std::size_t>(rows * stride), seed)) values.push_back(T::encode(value));
    for (int row = 0; row < rows; ++row)  // what pads a row must not be read
      for (int c = k; c < stride; ++c) values[static_cast<std::size_t>(row * stride + c)] = T::encode(NAN);
    return values;
  }
  MatrixView<const T> xs() const { return {x.data(), m, k, stride}; }
  MatrixView<const T> ws() const { return {w.data(), n, k, stride}; }
};

/// k products, exact in float or double, are added 16 at a time: each of k / 16 additions and each sum of 16 rounds once, on hardware each
/// of the 16 may. Two roundings more for an epilogue.
double bound(int k, double size, double largest_term) { return (k + k / 16 + 1) * 0x1p-24 * size + 2 * 0x1p-23 * largest_term; }

template <GemmConfig C, class T, class E, class F>
void expect_product(const Problem<T>& p, const E& epilogue, F expected) {
  for (const simt::Options& options : simt::schedules()) {
    SCOPED_TRACE(to_string(options));
    simt::session() = {.options = options, .counters = {}};
    std::vector<float> y(static_cast<std::size_t>(p.m * p.n), NAN);
    gemm<C>(p.xs(), p.ws(), MatrixView<float>(y.data(), p.m, p.n), {}, epilogue);
    EXPECT_EQ(simt::session().counters.bank_conflicts, 0u);
    test::Worst worst;
    for (int i = 0; i < p.m * p.n; ++i) {
      const auto u = static_cast<std::size_t>(i);
      const double want = expected(p.want[u], i / p.n, i % p.n);
      worst.add(u, want, static_cast<double>(y[u]), bound(p.k, p.sizes[u], std::abs(want) + p.sizes[u]));
    }
    EXPECT_LE(worst.excess, 0) << worst.text();
  }
}

template <GemmConfig C, class T>
void expect_plain_product(int m, int n, int k) {
  SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k));
  expect_product<C>(Problem<T>(m, n, k), Identity{}, [](double sum, int, int) { return sum; });
}

TEST(GemmSm80, WholeTiles) {
  expect_plain_product<GemmConfig{}, f16>(64, 64, 96);
  expect_plain_product<small_tiles, f16>(64, 32, 128);
  expect_plain_product<long_steps, f16>(32, 64, 320);
}

TEST(GemmSm80, RaggedShapes) {
  expect_plain_product<small_tiles, f16>(1, 1, 1);
  expect_plain_product<small_tiles, f16>(33, 31, 7);
  expect_plain_product<small_tiles, f16>(5, 70, 77);
  expect_plain_product<GemmConfig{}, f16>(70, 65, 40);
  expect_plain_product<long_steps, f16>(9, 33, 130);
}

TEST(GemmSm80, Bf16) {
  expect_plain_product<small_tiles, bf16>(33, 40, 72);
  expect_plain_product<GemmConfig{.arch = Arch::sm90a}, bf16>(20, 70, 33);
}

TEST(GemmSm80, Epilogues) {
  const Problem<f16> p(19, 37, 48);
  expect_product<small_tiles>(p, AddBias{p.bias.data()},
                              [&](double sum, int, int col) { return sum + static_cast<double>(p.bias[static_cast<std::size_t>(col)]); });
  const MatrixView<const float> residual(p.residual.data(), p.m, p.n);
  expect_product<small_tiles>(p, Then<AddBias, AddResidual>{{p.bias.data()}, {residual}}, [&](double sum, int row, int col) {
    return sum + static_cast<double>(p.bias[static_cast<std::size_t>(col)]) + static_cast<double>(residual(row, col));
  });
}

/// A token's result is the same to the bit, whatever the batch.
TEST(GemmSm80, ATokenDoesNotDependOnItsBatch) {
  const Problem<f16> p(40, 24, 100);
  const auto product = [&](int first, int rows) {
    std::vector<float> y(static_cast<std::size_t>(rows * p.n));
    simt::session().options = {};
    gemm<small_tiles>(p.xs().slice_rows(first, rows), p.ws(), MatrixView<float>(y.data(), rows, p.n));
    return y;
  };
  const std::vector<float> together = product(0, p.m);
  for (int row : {0, 17, 39}) {
    const std::vector<float> alone = product(row, 1);
    for (int col = 0; col < p.n; ++col)
      EXPECT_EQ(alone[static_cast<std::size_t>(col)], together[static_cast<std::size_t>(row * p.n + col)]) << row << ", " << col;
  }
}

TEST(GemmSm80, RefusesWrongShapes) {
  const Problem<f16> p(8, 8, 16);
  std::vector<float> y(64);
  const MatrixView<float> out(y.data(), 8, 8);
  EXPECT_THROW(gemm(p.xs(), MatrixView<const f16>(p.w.data(), 8, 8, 16), out), Error);
  EXPECT_THROW(gemm(p.xs(), p.ws(), MatrixView<float>(y.data(), 4, 8)), Error);
  EXPECT_THROW(gemm(p.xs(), MatrixView<const f16>(p.w.data() + 1, 8, 16, 16), out), Error);
  EXPECT_THROW(gemm(MatrixView<const f16>(p.x.data(), 8, 12, 12), MatrixView<const f16>(p.w.data(), 8, 12, 16), out), Error);
}

}  // namespace
}  // namespace vernier::cuda
