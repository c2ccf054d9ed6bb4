// The quantisers against a double-precision definition of each format, element by element through CpuPanel::byte_offset.
#include "vernier/quant/quantize.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/compare.hpp"

namespace vernier {
namespace {

struct Shape {
  int n, k;
};
constexpr Shape shapes[] = {{1, 1}, {33, 7}, {32, 64}, {130, 200}, {257, 96}};

std::vector<WeightFormat> formats() {
  std::vector<WeightFormat> all;
  for (Precision p : all_precisions)
    for (Scaling s : all_scalings)
      for (int group : {0, 32, 64, 128})
        if (why_unsupported({p, s, group}).empty()) all.push_back({p, s, group});
  return all;
}

/// The largest difference between x and its code's value: half the distance between neighbouring codes at |x|.
double bound(Precision p, double x, double scale, double absmax) {
  const double rounding = 4 * 0x1p-24 * absmax;  // the division, the scale and the multiplication by it, in float
  const auto half_place = [&](int mantissa_bits, int min_exponent) {
    const int exponent = x == 0 ? min_exponent : std::max(min_exponent, std::ilogb(std::abs(x)));
    return std::ldexp(0.5, exponent - mantissa_bits);
  };
  const double unscaled = scale == 0 ? 0 : std::abs(x / scale);
  const auto fp8_place = [&](int mantissa_bits, int min_exponent) {
    const int exponent = unscaled == 0 ? min_exponent : std::max(min_exponent, std::ilogb(unscaled));
    return std::ldexp(0.5, exponent - mantissa_bits) * scale;
  };
  switch (p) {
    case Precision::f16: return half_place(10, -14);
    case Precision::bf16: return half_place(7, -126);
    case Precision::i8: return 0.5 * scale + rounding;
    case Precision::e4m3: return fp8_place(3, -6) + rounding;
    case Precision::e5m2: return fp8_place(2, -14) + rounding;
    case Precision::nf4: return (1.0 - 0.6961928009986877) / 2 * absmax + rounding;  // the widest gap of the table
    default: return 0;
  }
}

double shared_absmax(const std::vector<float>& w, Shape s, const WeightFormat& f, int row, int col) {
  const bool rows_shared = f.scaling == Scaling::tensor || f.scaling == Scaling::block;
  const int row_group = f.scaling == Scaling::tensor ? s.n : f.scaling == Scaling::block ? f.group : 1;
  const int col_group = f.group != 0 ? f.group : s.k;
  const int r0 = rows_shared ? row / row_group * row_group : row, c0 = col / col_group * col_group;
  double most = 0;
  for (int r = r0; r < std::min(s.n, r0 + row_group); ++r)
    for (int c = c0; c < std::min(s.k, c0 + col_group); ++c)
      most = std::max(most, std::abs(static_cast<double>(w[static_cast<std::size_t>(r * s.k + c)])));
  return most;
}

TEST(Quantize, EveryFormatRoundsToTheNearestCode) {
  for (const WeightFormat& format : formats()) {
    for (const Shape s : shapes) {
      SCOPED_TRACE(to_string(format) + " " + std::to_string(s.n) + " x " + std::to_string(s.k));
      const auto w = test::normal(static_cast<std::size_t>(s.n * s.k), 7, 0.05f);
      const PackedMatrix packed = quantize({w.data(), s.n, s.k}, format);
      std::vector<float> back(w.size());
      dequantize(packed, {back.data(), s.n, s.k});
      test::Worst worst;
      for (int row = 0; row < s.n; ++row) {
        for (int col = 0; col < s.k; ++col) {
          const std::size_t i = static_cast<std::size_t>(row * s.k + col);
          const double scale = format.scaling == Scaling::none ? 1 : packed.view().scale(row, col);
          worst.add(i, w[i], back[i], bound(format.precision, w[i], scale, shared_absmax(w, s, format, row, col)));
        }
      }
      EXPECT_LE(worst.excess, 0) << worst.text();
    }
  }
}

TEST(Quantize, RefusesWhatNoCodeCanHold) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const WeightFormat& format : formats()) {
    for (const float bad : {inf, -inf, nan}) {
      std::vector<float> w(40 * 70, 0.5f);
      w[37 * 70 + 69] = bad;
      try {
        quantize({w.data(), 40, 70}, format);
        ADD_FAILURE() << to_string(format) << " took " << bad;
      } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()).find("row 37, column 69"), std::string::npos) << e.what();
      }
    }
  }
}

}  // namespace
}  // namespace vernier
