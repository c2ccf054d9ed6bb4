// Rotary position embedding: the table of cosines and sines, and the rotation of rows. The layout is 'halves' (Hugging Face's):
// element i of a head turns with element i + rotary_dim / 2. Files with interleaved pairs are un-permuted when they are loaded.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "vernier/core/buffer.hpp"
#include "vernier/ops/rows.hpp"

namespace vernier::ops {

/// How a model stretches its rotary frequencies beyond the context that it was trained on.
struct RopeScaling {
  enum class Kind : unsigned char {
    none,
    linear,   // every frequency divided by `factor`
    llama3,   // long wavelengths divided by `factor`, short ones kept, a ramp between
    factors,  // frequency i divided by factors[i], as the tensor rope_freqs.weight of a GGUF file states
  };
  Kind kind = Kind::none;
  double factor = 1.0;
  double low_freq_factor = 1.0;   // llama3: wavelengths above original_context / low_freq_factor are divided in full
  double high_freq_factor = 4.0;  // llama3: wavelengths below original_context / high_freq_factor are kept
  int original_context = 8192;    // llama3: positions of the first training
  std::vector<float> factors{};   // factors: one per frequency, rotary_dim / 2 of them
};

/// What a model says about its rotary embedding.
struct RopeConfig {
  int rotary_dim = 0;  // elements of a head that turn: even, at most head_dim; the rest of the head passes unchanged
  double base = 10000.0;
  RopeScaling scaling{};
};

namespace detail {

inline double llama3_frequency(double frequency, const RopeScaling& s) {
  const double wavelength = 6.283185307179586 / frequency;
  if (wavelength < s.original_context / s.high_freq_factor) return frequency;
  if (wavelength > s.original_context / s.low_freq_factor) return frequency / s.factor;
  const double keep = (s.original_context / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  return (1.0 - keep) * frequency / s.factor + keep * frequency;
}

inline void expect_rope(const RopeConfig& c) {
  constexpr const char* where = "vernier::ops::RopeConfig";
  const RopeScaling& s = c.scaling;
  const auto positive = [](double x) { return x > 0 && std::isfinite(x); };
  expect(c.rotary_dim > 0 && c.rotary_dim % 2 == 0, where, "rotary_dim = ", c.rotary_dim, ", expected even and positive");
  expect(positive(c.base), where, "base = ", c.base, ", expected finite and positive");
  expect(positive(s.factor), where, "factor = ", s.factor, ", expected finite and positive");
  if (s.kind == RopeScaling::Kind::llama3) {
    expect(positive(s.low_freq_factor) && std::isfinite(s.high_freq_factor) && s.high_freq_factor > s.low_freq_factor, where,
           "low_freq_factor = ", s.low_freq_factor, ", high_freq_factor = ", s.high_freq_factor, ", expected 0 < low < high");
    expect(s.original_context > 0, where, "original_context = ", s.original_context, ", expected positive");
  }
  if (s.kind == RopeScaling::Kind::factors) {
    const std::size_t want = static_cast<std::size_t>(c.rotary_dim / 2);
    expect(s.factors.size() == want, where, "there are ", s.factors.size(), " factors, expected rotary_dim / 2 = ", want);
    for (std::size_t i = 0; i < want; ++i)
      expect(positive(static_cast<double>(s.factors[i])), where, "factors[", i, "] = ", s.factors[i], ", expected finite and positive");
  }
}

}  // namespace detail

/// Radians per position of each of the rotary_dim / 2 pairs: base^(-2i / rotary_dim), scaled. Throws Error on an impossible config.
inline std::vector<double> rope_frequencies(const RopeConfig& c) {
  detail::expect_rope(c);
  std::vector<double> frequencies(static_cast<std::size_t>(c.rotary_dim / 2));
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double plain = std::pow(c.base, -2.0 * static_cast<double>(i) / c.rotary_dim);
    switch (c.scaling.kind) {
      case RopeScaling::Kind::none: frequencies[i] = plain; break;
      case RopeScaling::Kind::linear: frequencies[i] = plain / c.scaling.factor; break;
      case RopeScaling::Kind::llama3: frequencies[i] = detail::llama3_frequency(plain, c.scaling); break;
      case RopeScaling::Kind::factors: frequencies[i] = plain / static_cast<double>(c.scaling.factors[i]); break;
    }
  }
  return frequencies;
}

/// Cosines and sines by position, computed in double and rounded once. Grows on reserve(), which moves the rows: not to be called
/// while another thread reads.
class RopeTable {
 public:
  RopeTable() = default;

  /// Throws Error on an impossible config. Holds no position yet.
  explicit RopeTable(const RopeConfig& config) : frequencies_(rope_frequencies(config)) {}

  int rotary_dim() const { return static_cast<int>(frequencies_.size() * 2); }
  int half() const { return static_cast<int>(frequencies_.size()); }
  /// Positions that the table holds: 0 to positions() - 1.
  int positions() const { return positions_; }

  /// Makes the table hold at least `positions`; at least doubles when it grows, so that asking for one more each token is cheap.
  void reserve(int positions) {
    if (positions <= positions_) return;
    const int grown = std::max({positions, 256, positions_ <= (1 << 29) ? positions_ * 2 : positions});
    Buffer<float> values(static_cast<std::size_t>(grown) * frequencies_.size() * 2);
    if (positions_ > 0) std::memcpy(values.data(), values_.data(), static_cast<std::size_t>(positions_) * frequencies_.size() * 8);
    values_ = std::move(values);
    for (int position = positions_; position < grown; ++position) fill(position);
    positions_ = grown;
  }

  /// (half): cosines of a position below positions(); sin() likewise, straight behind it in memory.
  const float* cos(int position) const { return values_.data() + static_cast<std::size_t>(position) * frequencies_.size() * 2; }
  const float* sin(int position) const { return cos(position) + frequencies_.size(); }

 private:
  void fill(int position) {
    float* row = values_.data() + static_cast<std::size_t>(position) * frequencies_.size() * 2;
    for (std::size_t i = 0; i < frequencies_.size(); ++i) {
      const double angle = frequencies_[i] * position;
      row[i] = static_cast<float>(std::cos(angle));
      row[i + frequencies_.size()] = static_cast<float>(std::sin(angle));
    }
  }

  std::vector<double> frequencies_;  // radians per position
  Buffer<float> values_;             // (positions, 2, half): cosines, then sines
  int positions_ = 0;
};

/// Turns one head in place: (x[i], x[i + half]) by the angle of pair i. x: at least 2 * half elements; cos, sin: (half).
inline void rotate_head(float* x, const float* cos, const float* sin, int half) {
  float* y = x + half;
  for (int i = 0; i < half; ++i) {
    const float a = x[i], b = y[i];
    x[i] = a * cos[i] - b * sin[i];
    y[i] = b * cos[i] + a * sin[i];
  }
}

/// Turns each head of each row in place. x: (t, heads * head_dim); positions: (t). Throws Error when head_dim does not fit x or the
/// table, or when a position is not in the table (reserve() it first).
inline void rotate(MatrixView<float> x, int head_dim, const int* positions, const RopeTable& table, cpu::ThreadPool* pool = nullptr) {
  constexpr const char* where = "vernier::ops::rotate";
  expect(head_dim > 0 && x.cols % head_dim == 0, where, "cols = ", x.cols, " is not a multiple of head_dim = ", head_dim);
  expect(table.rotary_dim() <= head_dim, where, "the table turns ", table.rotary_dim(), " elements, more than head_dim = ", head_dim);
  for (int row = 0; row < x.rows; ++row)
    expect(positions[row] >= 0 && positions[row] < table.positions(), where, "position ", positions[row], " of row ", row,
           " is not among the ", table.positions(), " of the table; call reserve() first");
  detail::for_rows(pool, x.rows, x.cols, [&](int row) {
    const float *cos = table.cos(positions[row]), *sin = table.sin(positions[row]);
    for (int at = 0; at < x.cols; at += head_dim) rotate_head(x.row(row) + at, cos, sin, table.half());
  });
}

}  // namespace vernier::ops
