// The result for a token is the same to the last bit in any batch, at any place in it, and on any number of threads.
#include <gtest/gtest.h>

#include "gemm/gemm_case.hpp"

namespace vernier::test {
namespace {

void expect_invariant(WeightFormat format, cpu::Multiply multiply) {
  const GemmCase c(format, {100, 322}, 65);
  cpu::ThreadPool one(1), two(2), five(5);
  cpu::GemmWorkspace workspace;
  for (const cpu::Isa isa : isas()) {
    if (!cpu::supports(isa, multiply)) continue;
    const cpu::GemmOptions options{.multiply = multiply, .isa = isa};
    std::vector<float> alone;  // each token by itself, one thread
    for (int t = 0; t < c.m; ++t) {
      std::vector<float> y(static_cast<std::size_t>(c.n));
      cpu::gemm(one, c.inputs().slice_rows(t, 1), c.w.view(), MatrixView<float>(y.data(), 1, c.n), workspace, options);
      alone.insert(alone.end(), y.begin(), y.end());
    }
    for (const int m : {2, 3, 5, 8, 9, 13, 33, 65})
      for (cpu::ThreadPool* pool : {&one, &two, &five}) {
        const std::vector<float> y = c.run(*pool, options, m);
        EXPECT_TRUE(std::equal(y.begin(), y.end(), alone.begin()))
            << describe(c, isa, m) << " " << name(multiply) << " threads " << pool->size();
      }
  }
}

TEST(Invariance, FloatMultiplies) {
  for (const WeightFormat format : weight_formats()) expect_invariant(format, cpu::Multiply::f32);
}

TEST(Invariance, Int8Multiplies) {
  expect_invariant({Precision::i8, Scaling::row, 0}, cpu::Multiply::i8);
  expect_invariant({Precision::i8, Scaling::group, 64}, cpu::Multiply::i8);
  expect_invariant({Precision::nf4, Scaling::group, 64}, cpu::Multiply::i8);
}

TEST(Invariance, Int16Multiplies) {
  expect_invariant({Precision::f16, Scaling::none, 0}, cpu::Multiply::i16);
  expect_invariant({Precision::bf16, Scaling::none, 0}, cpu::Multiply::i16);
}

TEST(Invariance, Bf16Multiplies) {
  expect_invariant({Precision::bf16, Scaling::none, 0}, cpu::Multiply::bf16);
  expect_invariant({Precision::e4m3, Scaling::block, 128}, cpu::Multiply::bf16);
  expect_invariant({Precision::e5m2, Scaling::row, 0}, cpu::Multiply::bf16);
}

}  // namespace
}  // namespace vernier::test
