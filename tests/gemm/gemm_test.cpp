// The entry: epilogues, strides, refusals with their values, and a warm call that allocates nothing.
#include "vernier/gemm/gemm.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <utility>

#include "gemm/gemm_case.hpp"
#include "support/error_of.hpp"

namespace {
std::atomic<int> allocations{0};
}

[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  if (void* p = std::aligned_alloc(static_cast<std::size_t>(alignment), (size + 63) / 64 * 64)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace vernier::test {
namespace {

struct Problem {
  GemmCase c{{Precision::f16, Scaling::none, 0}, {70, 77}, 9};
  cpu::ThreadPool pool{2};
  cpu::GemmWorkspace workspace;
  std::vector<float> y = std::vector<float>(9 * 70);
  MatrixView<float> out() { return {y.data(), 9, 70}; }
};

TEST(GemmEpilogue, SeesEachElementOnceWithItsPlace) {
  Problem p;
  const std::vector<float> plain = p.c.run(p.pool, {}, 9), bias = normal(70, 5), residual = normal(9 * 70, 6);
  cpu::gemm(p.pool, p.c.inputs(), p.c.w.view(), p.out(), p.workspace, {}, AddBias{bias.data()});
  for (std::size_t i = 0; i < p.y.size(); ++i) EXPECT_EQ(p.y[i], plain[i] + bias[i % 70]);

  const MatrixView<const float> to_add(residual.data(), 9, 70);
  cpu::gemm(p.pool, p.c.inputs(), p.c.w.view(), p.out(), p.workspace, {}, Then<AddBias, AddResidual>{{bias.data()}, {to_add}});
  for (std::size_t i = 0; i < p.y.size(); ++i) EXPECT_EQ(p.y[i], (plain[i] + bias[i % 70]) + residual[i]);

  const auto place = [](float, int row, int col) { return static_cast<float>(row * 1000 + col); };
  cpu::gemm(p.pool, p.c.inputs(), p.c.w.view(), p.out(), p.workspace, {}, place);
  for (std::size_t i = 0; i < p.y.size(); ++i) EXPECT_EQ(p.y[i], static_cast<float>(i / 70 * 1000 + i % 70));
}

TEST(GemmEpilogue, MayAddToTheOutputItself) {
  Problem p;
  const std::vector<float> plain = p.c.run(p.pool, {}, 9), before = normal(9 * 70, 6);
  p.y = before;
  cpu::gemm(p.pool, p.c.inputs(), p.c.w.view(), p.out(), p.workspace, {}, AddResidual{p.out()});
  for (std::size_t i = 0; i < p.y.size(); ++i) EXPECT_EQ(p.y[i], plain[i] + before[i]);
}

TEST(GemmProducts, GiveTheBitsOfSeparateCalls) {
  for (const WeightFormat format : {WeightFormat{Precision::f16, Scaling::none, 0}, WeightFormat{Precision::nf4, Scaling::group, 64}})
    for (const int threads : {1, 2, 5})
      for (const int m : {1, 9}) {
        const cpu::GemmOptions options{.multiply = format.precision == Precision::nf4 ? cpu::Multiply::i8 : cpu::Multiply::f32};
        const GemmCase a(format, {100, 77}, m, 1), b(format, {33, 77}, m, 5), c(format, {1, 77}, m, 9);
        cpu::ThreadPool pool(threads);
        cpu::GemmWorkspace workspace;
        std::vector<float> y[3], want[3];
        const GemmCase* cases[] = {&a, &b, &c};
        for (int i = 0; i < 3; ++i) {
          y[i].resize(static_cast<std::size_t>(m * cases[i]->n));
          want[i] = y[i];
          cpu::gemm(pool, a.inputs(), cases[i]->w.view(), MatrixView<float>(want[i].data(), m, cases[i]->n), workspace, options);
        }
        const auto product = [&](int i) { return cpu::Product<>{cases[i]->w.view(), {y[i].data(), m, cases[i]->n}}; };
        cpu::gemm(pool, a.inputs(), workspace, options, product(0), product(1), product(2));
        for (int i = 0; i < 3; ++i) EXPECT_EQ(y[i], want[i]) << to_string(format) << " threads " << threads << " m " << m;
      }
}

// With few tokens a share's panels of one product come before those of the next, with many they alternate by a few.
TEST(GemmProducts, MayReadWhatAnEarlierOneStored) {
  const WeightFormat format{Precision::nf4, Scaling::group, 64};
  for (const auto& [n, m] : {std::pair(100, 9), std::pair(300, 1), std::pair(300, 700)}) {
    const GemmCase gate(format, {n, 77}, m, 1), up(format, {n, 77}, m, 5);
    for (const int threads : {1, 3}) {
      cpu::ThreadPool pool(threads);
      cpu::GemmWorkspace workspace;
      const std::vector<float> g = gate.run(pool, {}, m);
      std::vector<float> separate(g.size()), y(g.size());
      const MatrixView<float> out(y.data(), m, n);
      cpu::gemm(pool, gate.inputs(), up.w.view(), MatrixView<float>(separate.data(), m, n), workspace);
      const auto times = [&](float x, int row, int col) { return out(row, col) * x; };
      cpu::gemm(pool, gate.inputs(), workspace, {}, cpu::Product<>{gate.w.view(), out},
                cpu::Product<decltype(times)>{up.w.view(), out, times});
      for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], g[i] * separate[i]) << n << " x " << m << ' ' << i;
    }
  }
}

TEST(Gemm, HonoursRowStridesAndTouchesNothingElse) {
  Problem p;
  const std::vector<float> plain = p.c.run(p.pool, {}, 9);
  std::vector<float> x(9 * 100, NAN), y(9 * 80, -7.0f);
  for (std::size_t i = 0; i < p.c.x.size(); ++i) x[i / 77 * 100 + i % 77] = p.c.x[i];
  cpu::gemm(p.pool, MatrixView<const float>(x.data(), 9, 77, 100), p.c.w.view(), MatrixView<float>(y.data(), 9, 70, 80), p.workspace);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], i % 80 < 70 ? plain[i / 80 * 70 + i % 80] : -7.0f) << i;
}

struct OwnTable {
  static constexpr std::array rules = {
      cpu::GemmRule{{.isa = cpu::Isa::scalar, .weight = Precision::nf4, .tile_m = 16}},
      cpu::GemmRule{{.isa = cpu::Isa::avx2, .weight = Precision::nf4, .tile_m = 2}},
      cpu::GemmRule{{.isa = cpu::Isa::avx512, .weight = Precision::nf4, .tile_m = 5, .decode_first = true}},
  };
};

TEST(Gemm, GivesTheSameBitsWithATableOfOtherTiles) {
  const GemmCase c({Precision::nf4, Scaling::group, 64}, {70, 322}, 13);
  cpu::ThreadPool pool(2);
  cpu::GemmWorkspace workspace;
  for (const cpu::Isa isa : isas()) {
    std::vector<float> y(13 * 70);
    cpu::gemm<OwnTable>(pool, c.inputs(), c.w.view(), MatrixView<float>(y.data(), 13, 70), workspace, {.isa = isa});
    EXPECT_EQ(y, c.run(pool, {.isa = isa}, 13)) << name(isa);
  }
  const GemmCase other({Precision::f16, Scaling::none, 0}, {70, 322}, 13);
  std::vector<float> y(13 * 70);
  EXPECT_EQ(error_of([&] {
              cpu::gemm<OwnTable>(pool, other.inputs(), other.w.view(), MatrixView<float>(y.data(), 13, 70), workspace,
                                  {.isa = cpu::Isa::scalar});
            }),
            "vernier::cpu::gemm: the routing table has no rule for scalar, f16, f32");
}

TEST(Gemm, DoesNothingForNoTokens) {
  Problem p;
  cpu::gemm(p.pool, MatrixView<const float>(nullptr, 0, 77), p.c.w.view(), MatrixView<float>(nullptr, 0, 70), p.workspace);
}

TEST(Gemm, RefusesWhatDoesNotFitWithTheValues) {
  Problem p;
  const PackedView w = p.c.w.view();
  const std::vector<float> before = p.y;
  EXPECT_EQ(error_of([&] { cpu::gemm(p.pool, p.c.inputs().slice_cols(0, 76), w, p.out(), p.workspace); }),
            "vernier::cpu::gemm: x has 76 columns, W has k = 77");
  EXPECT_EQ(error_of([&] { cpu::gemm(p.pool, p.c.inputs(), w, p.out().slice_rows(0, 8), p.workspace); }),
            "vernier::cpu::gemm: y is 8 x 70, expected m x n = 9 x 70");
  EXPECT_EQ(error_of([&] { cpu::gemm(p.pool, p.c.inputs(), w, p.out(), p.workspace, {.multiply = cpu::Multiply::bf16}); }),
            "vernier::cpu::gemm: no bf16 multiply for f16 weights; use Multiply::f32, which takes every format");
  const GemmCase other({Precision::bf16, Scaling::none, 0}, {70, 77}, 9);
  EXPECT_EQ(error_of([&] {
              cpu::gemm(p.pool, p.c.inputs(), p.workspace, {}, cpu::Product<>{w, p.out()}, cpu::Product<>{other.w.view(), p.out()});
            }),
            "vernier::cpu::gemm: products of one call need weights of one precision, f16");
  EXPECT_EQ(error_of([&] { cpu::gemm(p.pool, p.c.inputs(), PackedView{}, p.out().slice_cols(0, 0), p.workspace); }),
            "vernier::cpu::gemm: W is empty: n = 0, k = 0");
  EXPECT_EQ(p.y, before);
}

TEST(Gemm, AllocatesNothingWhenWarm) {
  for (const WeightFormat format : {WeightFormat{Precision::f16, Scaling::none, 0}, WeightFormat{Precision::nf4, Scaling::group, 64}})
    for (const cpu::Isa isa : isas()) {
      const cpu::Multiply multiply = format.precision == Precision::nf4 ? cpu::Multiply::i8 : cpu::Multiply::f32;
      const GemmCase c(format, {70, 77}, 33);
      cpu::ThreadPool pool(2);
      cpu::GemmWorkspace workspace;
      std::vector<float> y(33 * 70);
      const auto call = [&](int m) {
        cpu::gemm(pool, c.inputs().slice_rows(0, m), c.w.view(), MatrixView<float>(y.data(), m, 70), workspace,
                  {.multiply = multiply, .isa = isa});
      };
      call(33);
      const int before = allocations;
      for (const int m : {33, 1, 8, 20}) call(m);
      EXPECT_EQ(allocations, before) << name(isa);
    }
}

}  // namespace
}  // namespace vernier::test
