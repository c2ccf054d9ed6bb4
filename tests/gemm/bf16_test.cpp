// Weights and activations in bf16, and activations that come as bf16 or f16.
#include <gtest/gtest.h>

#include "gemm/gemm_case.hpp"

namespace vernier::test {
namespace {

template <class T>
std::vector<T> rounded(const std::vector<float>& x) {
  std::vector<T> out;
  for (const float value : x) out.push_back(T::encode(value));
  return out;
}
template <class T>
std::vector<float> decoded(const std::vector<T>& x) {
  std::vector<float> out;
  for (const T value : x) out.push_back(value.decode());
  return out;
}

void expect_matches(cpu::ThreadPool& pool, GemmCase c) {
  const std::vector<float> exact = c.x;
  c.x = decoded(rounded<bf16>(exact));
  c.update();
  c.x = exact;
  for (const cpu::Isa isa : isas())
    for (const int m : {1, 3, 9, 33}) {
      const std::vector<float> y = c.run(pool, {.multiply = cpu::Multiply::bf16, .isa = isa}, m);
      Worst worst;  // a bf16 dot rounds each of its two products' sums: twice a chain at most
      for (std::size_t i = 0; i < y.size(); ++i) worst.add(i, c.want[i], static_cast<double>(y[i]), 2 * chain_bound(c.k, c.sizes[i]));
      EXPECT_LE(worst.excess, 0) << describe(c, isa, m) << ": " << worst.text();
    }
}

TEST(Bf16Gemm, MatchesTheReferenceOnRoundedActivations) {
  cpu::ThreadPool pool(2);
  const std::vector<WeightFormat> formats{{Precision::bf16, Scaling::none, 0},
                                          {Precision::e4m3, Scaling::row, 0},
                                          {Precision::e4m3, Scaling::block, 128},
                                          {Precision::e5m2, Scaling::row, 0}};
  for (const WeightFormat format : formats)
    for (const Shape shape : shapes()) expect_matches(pool, GemmCase(format, shape, 33));
}

template <class T>
void expect_same_as_float(Precision p, cpu::Multiply multiply) {
  cpu::ThreadPool pool(1);
  GemmCase c(default_format(p), {40, 77}, 9);
  const std::vector<T> x = rounded<T>(c.x);
  c.x = decoded(x);
  cpu::GemmWorkspace workspace;
  for (const cpu::Isa isa : isas())
    for (const int m : {1, 9}) {
      const cpu::GemmOptions options{.multiply = multiply, .isa = isa};
      std::vector<float> y(static_cast<std::size_t>(m * c.n));
      cpu::gemm(pool, MatrixView<const T>(x.data(), m, c.k), c.w.view(), MatrixView<float>(y.data(), m, c.n), workspace, options);
      EXPECT_EQ(y, c.run(pool, options, m)) << describe(c, isa, m);
    }
}

TEST(Activations, InBf16AndF16GiveWhatTheirFloatValuesGive) {
  expect_same_as_float<bf16>(Precision::bf16, cpu::Multiply::bf16);
  expect_same_as_float<bf16>(Precision::bf16, cpu::Multiply::f32);
  expect_same_as_float<f16>(Precision::f16, cpu::Multiply::f32);
  expect_same_as_float<f16>(Precision::nf4, cpu::Multiply::f32);
  expect_same_as_float<f16>(Precision::nf4, cpu::Multiply::i8);
  expect_same_as_float<bf16>(Precision::i8, cpu::Multiply::i8);
}

}  // namespace
}  // namespace vernier::test
