// The CUDA GEMM of packed weights on the emulator, against a sum in double: formats, ragged shapes, epilogues, splits, every schedule.
#include <algorithm>
#include <cstring>

#include "cuda/packed_gemm_support.hpp"
#include "vernier/gemm/gated.cuh"

namespace vernier::cuda {
namespace {

using test::PackedProblem;

constexpr WeightFormat nf4_format{Precision::nf4, Scaling::group, 64}, f16_format{Precision::f16, Scaling::none, 0};

/// Many groups of warps along k; a tile shared along n and k; a tile of many tokens with none along k.
constexpr MmaConfig few(Precision p, int part = 0) { return {.weight = p, .part = part, .warps_k = 4, .stages = 3}; }
constexpr MmaConfig some(Precision p, int part = 0) {
  return {.weight = p, .part = part, .row_tiles = 1, .token_tiles = 2, .warps_n = 2, .warps_k = 2, .stages = 2};
}
constexpr MmaConfig many(Precision p, int part = 0) {
  return {.weight = p, .part = part, .token_tiles = 4, .warps_n = 2, .warps_m = 2, .warps_k = 1, .stages = 4};
}

/// What nf4 loses in the kernel. In steps of 1/127 of the absmax a value is off by half of one; rounded to f16, by 2^-11 of itself.
template <MmaConfig C, class X>
double decoding_error(const PackedProblem<X>& p, int i, int j) {
  if (C.weight != Precision::nf4) return 0;
  if (C.exact_nf4) return 0x1p-11 * p.sizes[static_cast<std::size_t>(i * p.n + j)];
  double sum = 0;
  for (int c = 0; c < p.k; ++c)
    sum += std::abs(static_cast<double>(p.view().codes(i, c).decode())) * static_cast<double>(p.w.view().scale(j, c)) / 254;
  return sum;
}

/// y in the format of Y, from one run. The counters of the workspace must be as they were.
template <MmaConfig C, class Y = float, class X, class E = Identity>
std::vector<Y> product(const PackedProblem<X>& p, const GemmWorkspace& workspace = {}, const E& epilogue = {}) {
  std::vector<Y> y(static_cast<std::size_t>(p.m * p.n));
  std::memset(static_cast<void*>(y.data()), 0xff, y.size() * sizeof(Y));
  gemm_with<C>(p.view(), p.packed.view(), MatrixView<Y>(y.data(), p.m, p.n), {.workspace = workspace}, epilogue);
  EXPECT_EQ(simt::session().counters.bank_conflicts, 0u);
  return y;
}

template <MmaConfig C, class X, class E = Identity, class F>
void expect_right(const PackedProblem<X>& p, const E& epilogue, F expected) {
  SCOPED_TRACE(concat(to_string(p.w.format()), ": ", p.m, " x ", p.n, " x ", p.k));
  for (const simt::Options& options : simt::schedules()) {
    SCOPED_TRACE(to_string(options));
    simt::session() = {.options = options, .counters = {}};
    const std::vector<float> y = product<C>(p, {}, epilogue);
    test::Worst worst;
    for (int i = 0; i < p.m * p.n; ++i) {
      const auto u = static_cast<std::size_t>(i);
      const double want = expected(p.want[u], i / p.n, i % p.n);
      const double bound = test::relative_bound(p.k) * p.sizes[u] + decoding_error<C>(p, i / p.n, i % p.n) + 0x1p-22 * std::abs(want);
      worst.add(u, want, static_cast<double>(y[u]), bound);
    }
    EXPECT_LE(worst.excess, 0) << worst.text();
  }
}

template <MmaConfig C, class X = f16>
void expect_plain(int m, int n, int k, WeightFormat format) {
  expect_right<C>(PackedProblem<X>(m, n, k, format), Identity{}, [](double sum, int, int) { return sum; });
}

TEST(PackedGemm, SixteenBits) {
  expect_plain<few(Precision::f16)>(3, 40, 1104, f16_format);
  expect_plain<many(Precision::f16)>(65, 65, 72, f16_format);
  constexpr MmaConfig b = [] {
    MmaConfig c = few(Precision::bf16);
    c.operand = Precision::bf16;
    c.arch = Arch::sm90a;
    return c;
  }();
  expect_plain<b, bf16>(9, 33, 600, {Precision::bf16, Scaling::none, 0});
}

TEST(PackedGemm, Int8) {
  expect_plain<few(Precision::i8)>(3, 40, 600, {Precision::i8, Scaling::row, 0});
  expect_plain<few(Precision::i8)>(8, 20, 72, {Precision::i8, Scaling::tensor, 0});
  expect_plain<few(Precision::i8, 64)>(3, 40, 600, {Precision::i8, Scaling::group, 128});
  expect_plain<few(Precision::i8, 32)>(3, 40, 616, {Precision::i8, Scaling::group, 96});
}

TEST(PackedGemm, Fp8) {
  expect_plain<few(Precision::e4m3)>(3, 40, 600, {Precision::e4m3, Scaling::row, 0});
  expect_plain<some(Precision::e4m3, 64)>(17, 40, 600, {Precision::e4m3, Scaling::block, 128});
  expect_plain<few(Precision::e5m2)>(8, 33, 72, {Precision::e5m2, Scaling::tensor, 0});
}

TEST(PackedGemm, Nf4) {
  constexpr MmaConfig exact = [] {
    MmaConfig c = few(Precision::nf4, 64);
    c.exact_nf4 = true;
    return c;
  }();
  expect_plain<few(Precision::nf4, 64)>(3, 40, 600, nf4_format);
  expect_plain<exact>(3, 40, 600, nf4_format);
  expect_plain<many(Precision::nf4, 64)>(65, 40, 200, nf4_format);
}

TEST(PackedGemm, TheSmallestShapes) {
  expect_plain<few(Precision::f16)>(1, 1, 8, f16_format);
  expect_plain<some(Precision::nf4, 64)>(1, 1, 8, nf4_format);
  expect_plain<some(Precision::nf4, 64)>(2, 16, 64, nf4_format);
}

/// Memory for blocks that share tiles, all of it watched.
struct Shared {
  std::vector<float> partials = std::vector<float>(1 << 16);
  std::vector<int> counters = std::vector<int>(16);
  GemmWorkspace workspace(int blocks) { return {partials.data(), partials.size(), counters.data(), counters.size(), blocks}; }
};

/// A token's result is the same to the bit, whatever the batch, the kernel that this calls for, and the number of blocks.
template <Precision P>
void expect_one_result(WeightFormat format, int k) {
  constexpr int part = P == Precision::nf4 ? 64 : 0;
  const PackedProblem<f16> p(17, 40, k, format);
  simt::session() = {};
  const std::vector<float> together = product<many(P, part)>(p);
  Shared memory;
  for (const simt::Options& options : {simt::Options{}, simt::Options{.order = simt::Order::random, .seed = 7}}) {
    simt::session().options = options;
    for (int blocks : {0, 64}) EXPECT_EQ((product<some(P, part)>(p, memory.workspace(blocks))), together);
    EXPECT_EQ((product<many(P, part)>(p, memory.workspace(64))), together);  // one group of warps: no exchange, hence no barriers of it
    for (const int counter : memory.counters) EXPECT_EQ(counter, 0);
  }
  for (int token : {16}) {
    std::vector<float> alone(static_cast<std::size_t>(p.n));
    const Activations<f16> x{p.view().codes.slice_rows(token, 1)};
    for (int blocks : {0, 4}) {
      gemm_with<few(P, part)>(x, p.packed.view(), MatrixView<float>(alone.data(), 1, p.n), {.workspace = memory.workspace(blocks)});
      for (int col = 0; col < p.n; ++col)
        EXPECT_EQ(alone[static_cast<std::size_t>(col)], together[static_cast<std::size_t>(token * p.n + col)]) << token << ", " << col;
    }
  }
}
TEST(PackedGemm, ATokenDoesNotDependOnItsBatch) {
  expect_one_result<Precision::f16>(f16_format, 1096);
  expect_one_result<Precision::nf4>(nf4_format, 3 * 512 - 64);
}

TEST(PackedGemm, Epilogues) {
  const PackedProblem<f16> p(19, 37, 48, f16_format);
  expect_right<some(Precision::f16)>(p, AddBias{p.bias.data()}, [&](double sum, int, int col) {
    return sum + static_cast<double>(p.bias[static_cast<std::size_t>(col)]);
  });
  const MatrixView<const float> residual(p.residual.data(), p.m, p.n);
  expect_right<some(Precision::f16)>(p, Then<AddBias, AddResidual>{{p.bias.data()}, {residual}}, [&](double sum, int row, int col) {
    return sum + static_cast<double>(p.bias[static_cast<std::size_t>(col)]) + static_cast<double>(residual(row, col));
  });
}

TEST(PackedGemm, SixteenBitResults) {
  const PackedProblem<f16> p(9, 37, 600, f16_format);
  simt::session() = {};
  const std::vector<float> y = product<few(Precision::f16)>(p);
  const auto rounded = product<few(Precision::f16), f16>(p);
  const auto brief = product<few(Precision::f16), bf16>(p);
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_EQ(rounded[i], f16::encode(y[i]));
    EXPECT_EQ(brief[i], bf16::encode(y[i]));
  }
}

/// Codes are those of the float results, under a scale that was known before; a token whose results are not finite loses it.
TEST(PackedGemm, EightBitResults) {
  PackedProblem<f16> p(9, 37, 600, f16_format);
  p.x[static_cast<std::size_t>(4 * p.stride + 11)] = f16::encode(INFINITY);
  simt::session() = {};
  const std::vector<float> y = product<few(Precision::f16)>(p);
  constexpr float scale = 1.0f / 32;  // some results are larger than 127 of it
  std::vector<float> scales(9, scale), again(9, scale);
  const auto codes = product<few(Precision::f16), i8>(p, {}, InUnits{1 / scale, scales.data()});
  const auto biased = product<many(Precision::f16), e4m3>(p, {}, Then<AddBias, InUnits>{{p.bias.data()}, {1 / scale, again.data()}});
  for (int i = 0; i < 9 * 37; ++i) {
    const auto u = static_cast<std::size_t>(i);
    if (i / 37 == 4) continue;
    EXPECT_EQ(codes[u], i8::encode(y[u] / scale)) << i;
    EXPECT_EQ(biased[u], e4m3::encode((y[u] + p.bias[static_cast<std::size_t>(i % 37)]) / scale)) << i;
  }
  EXPECT_GT(std::abs(*std::max_element(y.begin(), y.begin() + 4 * 37)), 127 * scale);
  for (int row = 0; row < 9; ++row)
    for (const float s : {scales[static_cast<std::size_t>(row)], again[static_cast<std::size_t>(row)]})
      EXPECT_TRUE(row == 4 ? std::isnan(s) : s == scale) << row;
}

double exact_silu(double x) { return x / (1 + std::exp(-x)); }

/// silu' is at most 1.1, and its own rounding a few units in the last place.
TEST(PackedGemm, GatedUnits) {
  PackedProblem<f16> gate(17, 48, 600, nf4_format), up(17, 48, 600, nf4_format);
  const std::vector<float> weights = test::normal(48 * 600, 9, 0.1f);
  up.w = quantize(MatrixView<const float>(weights.data(), 48, 600), nf4_format);
  up.packed = repack_mma(up.w);
  simt::session() = {};
  constexpr MmaConfig config{.weight = Precision::nf4, .part = 64, .token_tiles = 2, .warps_k = 4, .stages = 2};
  const std::vector<float> g = product<config>(gate), u = product<config>(up);
  const PackedWeights both = repack_mma_gated(gate.w, up.w);
  for (const simt::Options& options : simt::schedules()) {
    simt::session() = {.options = options, .counters = {}};
    std::vector<float> y(17 * 48), later(17 * 48);
    gemm_with<config>(gate.view(), both.view(), MatrixView<float>(y.data(), 17, 48), {}, SwiGlu{});
    EXPECT_EQ(simt::session().counters.bank_conflicts, 0u);
    gemm_with<config>(gate.view(), up.packed.view(), MatrixView<float>(later.data(), 17, 48), {},
                      GatedBy{MatrixView<const float>(g.data(), 17, 48)});
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double want = exact_silu(static_cast<double>(g[i])) * static_cast<double>(u[i]);
      EXPECT_NEAR(static_cast<double>(y[i]), want, 0x1p-20 * std::abs(want)) << i;  // the sums are those of the two products
      EXPECT_EQ(y[i], later[i]);
    }
  }
  std::vector<float> scales(17, 0.5f), y(17 * 48);
  std::vector<i8> codes(17 * 48);
  gemm_with<config>(gate.view(), both.view(), MatrixView<float>(y.data(), 17, 48), {}, SwiGlu{});
  gemm_with<config>(gate.view(), both.view(), MatrixView<i8>(codes.data(), 17, 48), {}, GatedThen<SwiGlu, InUnits>{{}, {2, scales.data()}});
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(codes[i], i8::encode(2 * y[i])) << i;
}

TEST(PackedGemm, QuantizedActivations) {
  constexpr MmaConfig i8_few{.weight = Precision::i8, .operand = Precision::i8, .warps_k = 4, .stages = 3};
  constexpr MmaConfig i8_groups{.weight = Precision::i8, .operand = Precision::i8, .part = 32, .warps_k = 2, .stages = 2};
  constexpr MmaConfig i8_many{
      .weight = Precision::i8, .operand = Precision::i8, .token_tiles = 4, .warps_n = 2, .warps_m = 2, .warps_k = 1, .stages = 2};
  expect_plain<i8_few, i8>(5, 40, 592, {Precision::i8, Scaling::row, 0});
  expect_plain<i8_groups, i8>(8, 20, 96, {Precision::i8, Scaling::group, 32});
  expect_plain<i8_many, i8>(70, 40, 208, {Precision::i8, Scaling::row, 0});
  // The last step's stage is where rows are put together, and no step without a product follows it, whose barrier would stand between them.
  expect_plain<i8_many, i8>(9, 40, 512, {Precision::i8, Scaling::row, 0});
  constexpr MmaConfig fp8{.arch = Arch::sm89, .weight = Precision::e4m3, .operand = Precision::e4m3, .warps_k = 4, .stages = 2};
  constexpr MmaConfig fp8_blocks{.arch = Arch::sm89, .weight = Precision::e4m3, .operand = Precision::e4m3, .part = 128, .stages = 2};
  expect_plain<fp8, e4m3>(5, 40, 592, {Precision::e4m3, Scaling::row, 0});
  expect_plain<fp8_blocks, e4m3>(5, 40, 336, {Precision::e4m3, Scaling::block, 128});
}

TEST(PackedGemm, NanAndInfinityReachTheResult) {
  for (const Precision p : {Precision::e4m3, Precision::e5m2}) {
    PackedProblem<f16> problem(3, 20, 104, {p, Scaling::row, 0});
    problem.w.codes()[problem.w.panel().byte_offset(7, 50)] = 0x7f;
    problem.packed = repack_mma(problem.w);
    simt::session() = {};
    const std::vector<float> y = p == Precision::e4m3 ? product<few(Precision::e4m3)>(problem) : product<few(Precision::e5m2)>(problem);
    for (int i = 0; i < 60; ++i) EXPECT_EQ(std::isnan(y[static_cast<std::size_t>(i)]), i % 20 == 7) << i;
  }
  PackedProblem<f16> problem(3, 20, 104, nf4_format);
  problem.x[static_cast<std::size_t>(problem.stride)] = f16::encode(NAN);  // of the second token
  const std::vector<float> y = product<few(Precision::nf4, 64)>(problem);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(std::isnan(y[static_cast<std::size_t>(i)]), i / 20 == 1) << i;
}

TEST(PackedGemm, RefusesWhatDoesNotFit) {
  const PackedProblem<f16> p(8, 16, 64, nf4_format);
  std::vector<float> y(128);
  const auto run = [&](const Activations<f16>& x, const WeightView& w, int rows, int cols) {
    gemm_with<few(Precision::nf4, 64)>(x, w, MatrixView<float>(y.data(), rows, cols));
  };
  const WeightView w = p.packed.view();
  EXPECT_THROW(run(p.view(), w, 8, 15), Error);
  EXPECT_THROW(run(p.view(), w, 7, 16), Error);
  EXPECT_THROW(run({MatrixView<const f16>(p.x.data(), 8, 56, 64)}, w, 8, 16), Error);
  EXPECT_THROW(run(PackedProblem<f16>(8, 16, 63, nf4_format).view(), PackedProblem<f16>(8, 16, 63, nf4_format).packed.view(), 8, 16),
               Error);
  EXPECT_THROW(run({MatrixView<const f16>(p.x.data(), 8, 64, 60)}, w, 8, 16), Error);
  EXPECT_THROW(run({MatrixView<const f16>(p.x.data() + 1, 7, 64, 64)}, w, 7, 16), Error);
  EXPECT_THROW(run(p.view(), PackedProblem<f16>(1, 16, 64, f16_format).packed.view(), 8, 16), Error);
  EXPECT_THROW(run(p.view(), repack_mma_gated(p.w, p.w).view(), 8, 32), Error);
}

}  // namespace
}  // namespace vernier::cuda
