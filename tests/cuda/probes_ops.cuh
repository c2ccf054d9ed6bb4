// Probes of the operations between multiplications: whole Blocks, against their definitions in double.
#pragma once

#include "cuda/probe.hpp"
#include "vernier/ops/map_rows.cuh"
#include "vernier/ops/norm_heads.cuh"
#include "vernier/ops/row_block.cuh"

namespace vernier::probes {

/// Values in [-2, 2), not in order.
inline std::vector<float> ops_values(std::size_t count, std::uint32_t first) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>(scramble(first + static_cast<std::uint32_t>(i)) >> 8) * 0x1p-22f - 2.0f;
  return values;
}

/// x / sqrt(mean(x^2) + epsilon) of n values from `at` on.
inline std::vector<double> ops_normed(const std::vector<float>& x, std::size_t at, std::size_t n, double epsilon) {
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += static_cast<double>(x[at + i]) * static_cast<double>(x[at + i]);
  std::vector<double> y(n);
  for (std::size_t i = 0; i < n; ++i) y[i] = static_cast<double>(x[at + i]) / std::sqrt(squares / static_cast<double>(n) + epsilon);
  return y;
}

template <Arch A>
using NormF16 = cuda::RowBlock<cuda::RowConfig{.arch = A, .norm = true}, cuda::AddedRows, MatrixView<f16>>;
template <Arch A>
using QuantizeI8 = cuda::RowBlock<cuda::RowConfig{.arch = A}, cuda::Rows<float>, QuantizedRows<i8>>;
template <Arch A>
using QuantizeE4m3 = cuda::RowBlock<cuda::RowConfig{.arch = A}, cuda::Rows<float>, QuantizedRows<e4m3>>;
template <Arch A>
using SwigluBf16 = cuda::MapRows<A, cuda::SwigluRows, bf16>;

template <class Machine>
Outcome probe_norm(Machine& machine) {
  constexpr int rows = 3, n = 1096;
  Outcome outcome{.name = "residual and RMS norm to f16"};
  std::vector<float> residual = ops_values(rows * n, 0), weight = ops_values(n, 9000);
  std::vector<float> delta = ops_values(rows * n, 20000), sum = residual;
  std::vector<f16> out(rows * n);
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += delta[i];
  const cuda::RowArgs<cuda::AddedRows, MatrixView<f16>> args{
      {{machine.array(residual), rows, n}, {machine.array(delta), rows, n}}, {machine.array(weight), 1e-5f}, {machine.array(out), rows, n}};
  machine.template launch<NormF16>({rows}, args);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::vector<double> y = ops_normed(sum, r * n, n, static_cast<double>(1e-5f));
    for (std::size_t i = 0; i < n; ++i) {
      const double want = y[i] * static_cast<double>(weight[i]);
      outcome.expect_equal(static_cast<double>(sum[r * n + i]), static_cast<double>(residual[r * n + i]), "sum " + std::to_string(i));
      outcome.expect_near(want, static_cast<double>(out[r * n + i].decode()), std::fabs(want) * (0x1p-11 + 30 * 0x1p-24) + 0x1p-25,
                          at(static_cast<int>(r), static_cast<int>(i)));
    }
  }
  return outcome;
}

/// Codes are those of the type's encode(), to the bit: no sum is involved.
template <template <Arch> class Probe, class T, class Machine>
Outcome probe_quantize(Machine& machine, const char* name) {
  constexpr int rows = 2, n = 264;
  Outcome outcome{.name = name};
  std::vector<float> x = ops_values(rows * n, 500), scales(rows);
  x[n + 3] = INFINITY;
  std::vector<T> codes(rows * n);
  const cuda::RowArgs<cuda::Rows<float>, QuantizedRows<T>> args{
      {{machine.array(x), rows, n}}, {}, {{machine.array(codes), rows, n}, machine.array(scales)}};
  machine.template launch<Probe>({rows}, args);
  float most = 0;
  for (std::size_t i = 0; i < n; ++i) most = std::fmax(most, std::fabs(x[i]));
  const float scale = most / T::max, inverse = 1.0f / scale;
  outcome.expect_equal(static_cast<double>(scale), static_cast<double>(scales[0]), "scale");
  outcome.expect_equal(1, std::isnan(scales[1]) ? 1 : 0, "scale of a row with infinity");
  for (std::size_t i = 0; i < 2 * n; ++i)
    outcome.expect_equal(i < n ? T::encode(x[i] * inverse).bits : 0, codes[i].bits, "code " + std::to_string(i));
  return outcome;
}

template <class Machine>
Outcome probe_swiglu(Machine& machine) {
  constexpr int rows = 2, n = 1032;
  Outcome outcome{.name = "SwiGLU to bf16"};
  std::vector<float> gate = ops_values(rows * n, 40), up = ops_values(rows * n, 7000);
  for (float& x : gate) x *= 6;
  std::vector<bf16> out(rows * n);
  const cuda::MapArgs<cuda::SwigluRows, bf16> args{{{machine.array(gate), rows, n}, {machine.array(up), rows, n}},
                                                   {machine.array(out), rows, n}};
  machine.template launch<SwigluBf16>({2}, args);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double g = static_cast<double>(gate[i]), want = g / (1 + std::exp(-g)) * static_cast<double>(up[i]);
    outcome.expect_near(want, static_cast<double>(out[i].decode()), std::fabs(want) * (0x1p-8 + 8 * 0x1p-24) + 0x1p-130,
                        "element " + std::to_string(i));
  }
  return outcome;
}

template <class Machine>
Outcome probe_norm_heads(Machine& machine) {
  constexpr int rows = 2, heads = 5, dim = 192;
  Outcome outcome{.name = "RMS norm of heads"};
  std::vector<float> x = ops_values(rows * heads * dim, 77), weight = ops_values(dim, 3000);
  const std::vector<float> start = x;
  const cuda::NormHeadsArgs args{{machine.array(x), rows, heads * dim}, machine.array(weight), 1e-6f, dim};
  machine.template launch<cuda::NormHeads>({2}, args);
  for (std::size_t h = 0; h < rows * heads; ++h) {
    const std::vector<double> y = ops_normed(start, h * dim, dim, static_cast<double>(1e-6f));
    for (std::size_t i = 0; i < dim; ++i) {
      const double want = y[i] * static_cast<double>(weight[i]);
      outcome.expect_near(want, static_cast<double>(x[h * dim + i]), std::fabs(want) * 14 * 0x1p-24,
                          at(static_cast<int>(h), static_cast<int>(i)));
    }
  }
  return outcome;
}

template <class Machine>
void probe_ops(Machine& machine, std::vector<Outcome>& outcomes) {
  outcomes.push_back(probe_norm(machine));
  outcomes.push_back(probe_quantize<QuantizeI8, i8>(machine, "activations to int8"));
  outcomes.push_back(probe_quantize<QuantizeE4m3, e4m3>(machine, "activations to e4m3"));
  outcomes.push_back(probe_swiglu(machine));
  outcomes.push_back(probe_norm_heads(machine));
}

}  // namespace vernier::probes
