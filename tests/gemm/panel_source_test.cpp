// Matrices that are packed while they are multiplied: the same bits as of packed ones, whatever the kernel, and errors that leave the call.
#include "vernier/layout/panel_source.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gemm_case.hpp"
#include "support/error_of.hpp"
#include "vernier/ops/elementwise.hpp"

namespace vernier::test {
namespace {

/// Panels of a matrix in float. Counts them, and refuses panel `bad`.
class DenseSource final : public PanelSource {
 public:
  explicit DenseSource(MatrixView<const float> w, int bad = -1) : w_(w), bad_(bad) {}

  void expect_workers(int count) const override { expect(count <= most_workers, "DenseSource", count, " workers"); }
  void make(int index, PackedMatrix& out, int worker) const override {
    EXPECT_GE(worker, 0);
    ++made_;
    expect(index != bad_, "DenseSource", "panel ", index, " is refused");
    quantize_rows(out, 0, w_.slice_rows(index * CpuPanel::rows, out.n()));
  }
  int made() const { return made_; }

  static constexpr int most_workers = 3;

 private:
  MatrixView<const float> w_;
  int bad_;
  mutable std::atomic<int> made_{0};
};

/// A matrix, packed and not.
struct TwoWays {
  std::vector<float> dense;
  int n, k;
  PackedMatrix packed, planned;
  DenseSource source;

  TwoWays(WeightFormat format, Shape shape, unsigned seed, int bad = -1)
      : dense(normal(static_cast<std::size_t>(shape.n) * static_cast<std::size_t>(shape.k), seed, 0.05f)),
        n(shape.n),
        k(shape.k),
        packed(quantize({dense.data(), n, k}, format)),
        planned(n, k, format, std::shared_ptr<const std::uint8_t>()),
        source({dense.data(), n, k}, bad) {}

  PackedView made_view() const {
    PackedView view = planned.view();
    view.source = &source;
    return view;
  }
};

struct Plus {
  float operator()(float x, int row, int col) const { return x + static_cast<float>(row - col); }
};

std::vector<WeightFormat> standing_alone() {
  std::vector<WeightFormat> formats = weight_formats();
  std::erase_if(formats, [](const WeightFormat& format) { return !panels_stand_alone(format); });
  return formats;
}

TEST(PanelSource, EveryKernelGivesTheBitsOfThePackedMatrix) {
  for (const int threads : {1, 3}) {
    cpu::ThreadPool pool(threads);
    cpu::GemmWorkspace workspace;  // one for all, so that panels of many shapes and formats meet in it
    for (const WeightFormat& format : standing_alone())
      for (const Shape shape : shapes()) {
        const TwoWays w(format, shape, 7);
        for (const int m : {1, 5, 40, 130}) {
          const std::vector<float> x = normal(static_cast<std::size_t>(m) * static_cast<std::size_t>(w.k), 3);
          std::vector<float> want(static_cast<std::size_t>(m) * static_cast<std::size_t>(w.n)), got(want.size());
          for (const cpu::Isa isa : isas())
            for (const cpu::Multiply multiply : cpu::all_multiplies) {
              if (!cpu::supports(multiply, format.precision) || !cpu::supports(isa, multiply)) continue;
              const cpu::GemmOptions options{.multiply = multiply, .isa = isa};
              const MatrixView<const float> in(x.data(), m, w.k);
              const int before = w.source.made();
              cpu::gemm(pool, in, w.packed.view(), {want.data(), m, w.n}, workspace, options, Plus{});
              cpu::gemm(pool, in, w.made_view(), {got.data(), m, w.n}, workspace, options, Plus{});
              ASSERT_EQ(got, want) << to_string(format) << ' ' << w.n << " x " << w.k << ", m = " << m << ' ' << cpu::name(isa) << ' '
                                   << cpu::name(multiply);
              ASSERT_EQ(w.source.made() - before, w.packed.panel().panels()) << "each panel is made once";
            }
        }
      }
  }
}

TEST(PanelSource, ProductsOfOneCallMayBeOfBothKinds) {
  cpu::ThreadPool pool(2);
  cpu::GemmWorkspace workspace;
  const WeightFormat format = default_format(Precision::nf4);
  const TwoWays first(format, {96, 192}, 1), second(format, {40, 192}, 2);
  const std::vector<float> x = normal(192 * 3, 5);
  std::vector<float> want[2], got[2];
  for (auto* y : {want, got}) y[0].resize(3 * 96), y[1].resize(3 * 40);
  const auto run = [&](const PackedView& a, const PackedView& b, std::vector<float>* y) {
    cpu::gemm(pool, MatrixView<const float>(x.data(), 3, 192), workspace, {.multiply = cpu::Multiply::i8},
              cpu::Product<>{a, {y[0].data(), 3, 96}}, cpu::Product<>{b, {y[1].data(), 3, 40}});
  };
  run(first.packed.view(), second.packed.view(), want);
  run(first.made_view(), second.packed.view(), got);
  EXPECT_EQ(got[0], want[0]);
  EXPECT_EQ(got[1], want[1]);
}

// A panel that a worker too many would make is not left to chance: whoever is free takes the next.
TEST(PanelSource, MoreWorkersThanItAllowsAreRefusedBeforeTheyStart) {
  cpu::ThreadPool pool(DenseSource::most_workers + 1);
  cpu::GemmWorkspace workspace;
  const TwoWays w(default_format(Precision::i8), {32, 64}, 1);  // a single panel
  const std::vector<float> x = normal(64, 5);
  std::vector<float> y(32, 7.0f);
  EXPECT_THROW(cpu::gemm(pool, MatrixView<const float>(x.data(), 1, 64), w.made_view(), {y.data(), 1, 32}, workspace), Error);
  EXPECT_EQ(y, std::vector<float>(32, 7.0f));
}

TEST(PanelSource, WhatItThrowsLeavesTheCall) {
  cpu::ThreadPool pool(2);
  cpu::GemmWorkspace workspace;
  const TwoWays w(default_format(Precision::i8), {100, 64}, 1, 3);
  const std::vector<float> x = normal(64, 5);
  std::vector<float> y(100);
  EXPECT_EQ(error_of([&] {
              cpu::gemm(pool, MatrixView<const float>(x.data(), 1, 64), w.made_view(), {y.data(), 1, 100}, workspace);
            }),
            "DenseSource: panel 3 is refused");
}

TEST(PanelSource, NothingElseTakesAMatrixThatIsNotPacked) {
  cpu::ThreadPool pool(1);
  cpu::GemmWorkspace workspace;
  const TwoWays w(default_format(Precision::f16), {40, 64}, 1);
  const PackedMatrix blocks(256, 256, {Precision::e4m3, Scaling::block, 128}, std::shared_ptr<const std::uint8_t>());
  const std::vector<float> x = normal(256, 5);
  std::vector<float> y(40 * 64);
  const int id = 0;
  EXPECT_EQ(error_of([&] { dequantize(w.made_view(), {y.data(), 40, 64}); }), "vernier::dequantize: the matrix of 40 x 64 is not packed");
  EXPECT_EQ(error_of([&] {
              ops::embed(w.made_view(), &id, {y.data(), 1, 64});
            }),
            "vernier::ops::embed: the matrix of 40 x 64 is not packed");
  const auto product = [&](const PackedView& view) {
    cpu::gemm(pool, MatrixView<const float>(x.data(), 1, view.k), view, {y.data(), 1, view.n}, workspace);
  };
  EXPECT_EQ(error_of([&] { product(w.planned.view()); }), "vernier::cpu::gemm: W is empty: n = 40, k = 64");
  PackedView view = blocks.view();
  view.source = &w.source;
  EXPECT_EQ(error_of([&] { product(view); }),
            "vernier::cpu::gemm: W is not packed, and panels of e4m3/block=128 cannot be made one by one");
}

TEST(PanelSource, AMatrixIsPackedWhenAnotherIsMovedIntoIt) {
  TwoWays w(default_format(Precision::f16), {40, 64}, 1);
  EXPECT_FALSE(w.planned.is_packed());
  EXPECT_EQ(w.planned.bytes(), w.packed.bytes());
  EXPECT_TRUE(w.planned.memory().empty());
  EXPECT_EQ(w.planned.view().codes, nullptr);
  w.planned = std::move(w.packed);
  EXPECT_TRUE(w.planned.is_packed());
  EXPECT_NE(w.planned.view().codes, nullptr);
}

}  // namespace
}  // namespace vernier::test
