// Products of packed weights against a sum in double: random matrices, and bounds from the sizes of what is summed.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/compare.hpp"
#include "vernier/core/math.hpp"
#include "vernier/gemm/mma_launch.cuh"
#include "vernier/gemm/reference.hpp"
#include "vernier/quant/quantize.hpp"
#include "vernier/quant/repack_mma.hpp"

namespace vernier::test {

/// x (m, k) in the operand's format and W (n, k), with rows of x padded to 16 bytes by what must not be read, in vectors of exactly that
/// size: ASan watches both ends.
template <class X>
struct PackedProblem {
  int m, n, k, stride;
  PackedMatrix w;
  cuda::PackedWeights packed;
  std::vector<X> x;
  std::vector<float> x_scales, bias, residual;
  std::vector<double> want, sizes;  // x * W^T and |x| * |W|^T

  PackedProblem(int m_, int n_, int k_, WeightFormat format) : m(m_), n(n_), k(k_), stride(round_up(k_, 16 / static_cast<int>(sizeof(X)))) {
    const std::vector<float> weights = normal(static_cast<std::size_t>(n * k), 2, 0.1f);
    w = quantize(MatrixView<const float>(weights.data(), n, k), format);
    packed = cuda::repack_mma(w);
    bias = normal(static_cast<std::size_t>(n), 3);
    residual = normal(static_cast<std::size_t>(m * n), 4);
    for (const float value : normal(static_cast<std::size_t>(m * stride), 1)) x.push_back(X::encode(sizeof(X) == 1 ? 30 * value : value));
    for (int row = 0; row < m; ++row)
      for (int c = k; c < stride; ++c) x[static_cast<std::size_t>(row * stride + c)] = X::encode(sizeof(X) == 1 ? 100.0f : NAN);
    if (sizeof(X) == 1)
      for (int row = 0; row < m; ++row) x_scales.push_back(0.01f * static_cast<float>(row % 5 + 1));
    sum();
  }

  void sum() {
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        double exact = 0, size = 0;
        for (int c = 0; c < k; ++c) {
          const double product = static_cast<double>(view().codes(i, c).decode()) * reference::weight(w.view(), j, c);
          exact += product;
          size += std::abs(product);
        }
        const double scale = x_scales.empty() ? 1.0 : static_cast<double>(x_scales[static_cast<std::size_t>(i)]);
        want.push_back(scale * exact);
        sizes.push_back(scale * size);
      }
  }

  cuda::Activations<X> view() const { return {MatrixView<const X>(x.data(), m, k, stride), x_scales.empty() ? nullptr : x_scales.data()}; }
};

/// What rounding explains, relative to the sum of all magnitudes. Products are exact in float or double; each is added once in a tensor
/// core and may be rounded there (k), its part, its segment and the rest of the sum once each per 32 columns at the most (3 k / 32), and
/// scales and factors round four times. nf4 in steps of 1/127 is off by half a step at the most, of a value whose size is one of the table.
inline double relative_bound(int k) { return (k + 3.0 * k / 32 + 4) * 0x1p-24; }

}  // namespace vernier::test
