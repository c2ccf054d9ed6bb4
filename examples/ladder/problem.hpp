// The problem that every step of the ladder solves: y = x * W^T for 4 tokens, 256 inputs and 512 outputs. Fixed inputs, the exact answer,
// and a check. Read 01_loop.cpp first.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "vernier/core/matrix_view.hpp"

namespace ladder {

constexpr int m = 4, n = 512, k = 256;

/// Numbers that look random and are the same everywhere, about -1 to 1.
inline std::vector<float> numbers(int count, unsigned seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

struct Problem {
  std::vector<float> x = numbers(m * k, 1), w = numbers(n * k, 2), y = std::vector<float>(m * n);

  vernier::MatrixView<const float> x_view() const { return {x.data(), m, k}; }
  vernier::MatrixView<const float> w_view() const { return {w.data(), n, k}; }
  vernier::MatrixView<float> y_view() { return {y.data(), m, n}; }

  /// The exact y(row, col).
  double exact(int row, int col) const {
    double sum = 0;
    for (int i = 0; i < k; ++i) sum += static_cast<double>(x_view()(row, i)) * static_cast<double>(w_view()(col, i));
    return sum;
  }

  /// Prints the root mean square error of `map(y)` relative to that of y, and says whether it is within `bound`; the exit status of a step.
  template <class Map>
  int report(const char* step, double bound, Map&& map) {
    double error = 0, signal = 0;
    for (int row = 0; row < m; ++row)
      for (int col = 0; col < n; ++col) {
        const double want = map(exact(row, col), row, col), got = static_cast<double>(y_view()(row, col));
        error += (got - want) * (got - want);
        signal += want * want;
      }
    const double relative = std::sqrt(error / signal);
    std::printf("%-40s relative error %.1e (at most %.1e)\n", step, relative, bound);
    return relative <= bound ? 0 : 1;
  }
  int report(const char* step, double bound) {
    return report(step, bound, [](double y_exact, int, int) { return y_exact; });
  }
};

/// What float sums of k products may lose: half a unit in the last place per addition, growing as the square root of their number.
inline const double float_error = std::sqrt(static_cast<double>(k)) * 6e-8;

}  // namespace ladder
