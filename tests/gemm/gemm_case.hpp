// One GEMM problem with its reference, for the tests of this folder.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "support/compare.hpp"
#include "vernier/gemm/gemm.hpp"
#include "vernier/gemm/precompiled.hpp"
#include "vernier/gemm/reference.hpp"
#include "vernier/quant/quantize.hpp"

namespace vernier::test {

inline constexpr double float_epsilon = 1.0 / (1 << 24);  // half a unit in the last place of 1

inline const std::vector<WeightFormat>& weight_formats() {
  static const std::vector<WeightFormat> formats{{Precision::f16, Scaling::none, 0},    {Precision::bf16, Scaling::none, 0},
                                                 {Precision::i8, Scaling::row, 0},      {Precision::i8, Scaling::group, 64},
                                                 {Precision::e4m3, Scaling::row, 0},    {Precision::e4m3, Scaling::block, 128},
                                                 {Precision::e5m2, Scaling::tensor, 0}, {Precision::nf4, Scaling::group, 64}};
  return formats;
}

/// The instruction sets that this machine runs.
inline std::vector<cpu::Isa> isas() {
  std::vector<cpu::Isa> found;
  for (cpu::Isa isa : cpu::all_isas)
    if (isa <= cpu::features().isa) found.push_back(isa);
  return found;
}

struct Shape {
  int n, k;
};

/// Ragged in every way that matters: rows beside a multiple of 32, columns beside a pack, an activation group, a scale group.
inline const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all{{1, 1}, {33, 7}, {70, 77}, {64, 192}, {31, 322}};
  return all;
}

struct GemmCase {
  int n, k, m;
  PackedMatrix w;
  std::vector<float> x;             // (m, k)
  std::vector<double> want, sizes;  // (m, n): x * W^T and |x| * |W|^T

  GemmCase(WeightFormat format, Shape shape, int m_, unsigned seed = 1) : n(shape.n), k(shape.k), m(m_) {
    std::vector<float> dense = normal(static_cast<std::size_t>(n) * static_cast<std::size_t>(k), seed, 0.05f);
    w = quantize({dense.data(), n, k}, format);
    x = normal(static_cast<std::size_t>(m) * static_cast<std::size_t>(k), seed + 1);
    update();
  }

  MatrixView<const float> inputs() const { return {x.data(), m, k}; }

  /// Call after a change of x.
  void update() {
    want.resize(static_cast<std::size_t>(m) * static_cast<std::size_t>(n));
    sizes.assign(want.size(), 0);
    reference::gemm(inputs(), w.view(), {want.data(), m, n});
    for (int row = 0; row < n; ++row)
      for (int col = 0; col < k; ++col) {
        const double value = std::abs(reference::weight(w.view(), row, col));
        for (int t = 0; t < m; ++t) sizes[index(t, row)] += value * std::abs(static_cast<double>(x[static_cast<std::size_t>(t * k + col)]));
      }
  }
  std::size_t index(int t, int row) const {
    return static_cast<std::size_t>(t) * static_cast<std::size_t>(n) + static_cast<std::size_t>(row);
  }

  /// The first `tokens` tokens through the library.
  std::vector<float> run(cpu::ThreadPool& pool, cpu::GemmOptions options, int tokens) const {
    std::vector<float> y(static_cast<std::size_t>(tokens) * static_cast<std::size_t>(n), -1.0f);
    cpu::GemmWorkspace workspace;
    cpu::gemm(pool, inputs().slice_rows(0, tokens), w.view(), MatrixView<float>(y.data(), tokens, n), workspace, options);
    return y;
  }
};

/// A chain of k multiply-adds rounds at most k + 1 times (once more where the product rounds too), and a scale and its unit add three;
/// the error is at most that many epsilons of the sum of magnitudes.
inline double chain_bound(int k, double size) { return (k + 4) * 1.01 * float_epsilon * size; }

inline std::string describe(const GemmCase& c, cpu::Isa isa, int m) {
  return concat(name(isa), " ", to_string(c.w.format()), " m ", m, " n ", c.n, " k ", c.k);
}

}  // namespace vernier::test
