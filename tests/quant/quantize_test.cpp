// The quantisers against a double-precision definition of each format, element by element through CpuPanel::byte_offset.
#include "vernier/quant/quantize.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "support/compare.hpp"
#include "support/error_of.hpp"
#include "vernier/quant/repack.hpp"

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
  const double rounding = 4 * 0x1p-24 * absmax;  // the scale, its inverse and the multiplications by both, in float
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

/// The absmax of the weights that share a scale with each weight, in order.
std::vector<double> shared_absmax(const std::vector<float>& w, Shape s, const WeightFormat& f) {
  const bool rows_shared = f.scaling == Scaling::tensor || f.scaling == Scaling::block;
  const int row_group = f.scaling == Scaling::tensor ? s.n : rows_shared ? f.group : 1, col_group = f.group != 0 ? f.group : s.k;
  std::map<std::pair<int, int>, double> most;
  const auto group_of = [&](std::size_t i) {
    const int row = static_cast<int>(i) / s.k, col = static_cast<int>(i) % s.k;
    return std::pair(row / row_group, col / col_group);
  };
  for (std::size_t i = 0; i < w.size(); ++i) most[group_of(i)] = std::max(most[group_of(i)], std::abs(static_cast<double>(w[i])));
  std::vector<double> out;
  for (std::size_t i = 0; i < w.size(); ++i) out.push_back(most[group_of(i)]);
  return out;
}

TEST(Quantize, EveryFormatRoundsToTheNearestCode) {
  for (const WeightFormat& format : formats()) {
    for (const Shape s : shapes) {
      SCOPED_TRACE(to_string(format) + " " + std::to_string(s.n) + " x " + std::to_string(s.k));
      const auto w = test::normal(static_cast<std::size_t>(s.n * s.k), 7, 0.05f);
      const PackedMatrix packed = quantize({w.data(), s.n, s.k}, format);
      std::vector<float> back(w.size());
      dequantize(packed, {back.data(), s.n, s.k});
      const auto absmax = shared_absmax(w, s, format);
      test::Worst worst;
      for (int row = 0; row < s.n; ++row) {
        for (int col = 0; col < s.k; ++col) {
          const std::size_t i = static_cast<std::size_t>(row * s.k + col);
          const double scale = format.scaling == Scaling::none ? 1 : packed.view().scale(row, col);
          worst.add(i, w[i], back[i], bound(format.precision, w[i], scale, absmax[i]));
        }
      }
      EXPECT_LE(worst.excess, 0) << worst.text();
    }
  }
}

TEST(Quantize, ScalesAreTheAbsmaxOverTheLargestCode) {
  const Shape s{130, 200};
  const auto w = test::normal(static_cast<std::size_t>(s.n * s.k), 8);
  for (const WeightFormat& format : formats()) {
    if (format.scaling == Scaling::none) continue;
    SCOPED_TRACE(to_string(format));
    const PackedMatrix packed = quantize({w.data(), s.n, s.k}, format);
    const auto absmax = shared_absmax(w, s, format);
    const float largest = format.precision == Precision::i8     ? 127.0f
                          : format.precision == Precision::e4m3 ? 448.0f
                          : format.precision == Precision::e5m2 ? 57344.0f
                                                                : 1.0f;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const int row = static_cast<int>(i) / s.k, col = static_cast<int>(i) % s.k;
      ASSERT_EQ(packed.view().scale(row, col), static_cast<float>(absmax[i]) / largest) << row << ", " << col;
    }
    for (int row = s.n; row < packed.panel().panels() * CpuPanel::rows; ++row) ASSERT_EQ(packed.view().scale(row, 0), 0.0f);
  }
}

TEST(Quantize, SlicesAndThreadsMakeTheSameMatrix) {
  const Shape s{300, 130};
  const auto w = test::normal(static_cast<std::size_t>(s.n * s.k), 9);
  const MatrixView<const float> view(w.data(), s.n, s.k);
  cpu::ThreadPool pool(3);
  const auto expect_same = [](const PackedMatrix& a, const PackedMatrix& b) {
    ASSERT_EQ(std::memcmp(a.view().codes, b.view().codes, a.panel().total_bytes()), 0);
    const std::size_t scales = static_cast<std::size_t>(a.panel().panels() * a.scale_groups() * CpuPanel::rows);
    for (std::size_t i = 0; i < scales; ++i) ASSERT_EQ(a.view().scales[i], b.view().scales[i]);
  };
  for (const WeightFormat& format : formats()) {
    SCOPED_TRACE(to_string(format));
    const PackedMatrix whole = quantize(view, format);
    expect_same(whole, quantize(view, format, &pool));
    PackedMatrix sliced(s.n, s.k, format);
    if (format.scaling == Scaling::tensor) {
      EXPECT_THROW(quantize_rows(sliced, 0, view.slice_rows(0, 256)), Error);
      continue;
    }
    quantize_rows(sliced, 256, view.slice_rows(256, 44));
    quantize_rows(sliced, 0, view.slice_rows(0, 256));
    expect_same(whole, sliced);
    if (format.scaling == Scaling::block) {
      EXPECT_THROW(quantize_rows(sliced, 64, view.slice_rows(64, 128)), Error);
    }
    EXPECT_THROW(quantize_rows(sliced, 8, view.slice_rows(8, 32)), Error);
    EXPECT_THROW(quantize_rows(sliced, 0, view.slice_rows(0, 33)), Error);
  }
}

// Short last groups, rows that end a panel, weights at both ends of float's range and exact ties: every set writes the same bytes.
TEST(Quantize, InstructionSetsMakeTheSameMatrix) {
  for (const Shape s : {Shape{33, 7}, Shape{70, 200}, Shape{32, 1024}}) {
    for (const float sigma : {1e-42f, 1e-6f, 0.05f, 1.0f, 1e4f}) {
      auto w = test::normal(static_cast<std::size_t>(s.n * s.k), 11, sigma);
      for (std::size_t i = 0; i < w.size(); i += 3) w[i] = 0.5f * sigma * std::round(w[i] / sigma);
      for (const WeightFormat& format : formats()) {
        const PackedMatrix want = quantize({w.data(), s.n, s.k}, format, nullptr, cpu::Isa::scalar);
        for (const cpu::Isa isa : {cpu::Isa::avx2, cpu::Isa::avx512}) {
          if (isa > cpu::features().isa) continue;
          const PackedMatrix got = quantize({w.data(), s.n, s.k}, format, nullptr, isa);
          ASSERT_EQ(std::memcmp(got.memory().data(), want.memory().data(), want.memory().size()), 0)
              << to_string(format) << ' ' << cpu::name(isa) << ' ' << s.n << " x " << s.k << ", sigma " << sigma;
        }
      }
    }
  }
}

// Whoever changes this sum has changed what stored weights mean: raise packed_layout_version, so that they are made anew.
TEST(Quantize, LayoutIsWhatItsVersionSays) {
  std::vector<float> w(70 * 200);
  std::uint32_t state = 1;
  for (float& x : w) x = static_cast<float>(static_cast<std::int32_t>(state = state * 1664525u + 1013904223u)) * 0x1p-31f;
  std::uint64_t sum = 0;
  for (const WeightFormat& format : formats()) {
    const PackedMatrix packed = quantize({w.data(), 70, 200}, format);
    for (const std::uint8_t byte : packed.memory()) sum = sum * 0x100000001b3u + byte;
  }
  EXPECT_EQ(packed_layout_version, 3u);
  EXPECT_EQ(sum, 16731891887291681990u);
}

/// f(isa) for each instruction set that the machine has.
template <class F>
void for_isas(F&& f) {
  for (const cpu::Isa isa : cpu::all_isas)
    if (isa <= cpu::features().isa) f(isa);
}

/// `x` quantised and back, in groups of 63 of them and `largest`.
std::vector<float> quantised(std::span<const float> x, float largest, WeightFormat format, cpu::Isa isa) {
  const int n = static_cast<int>((x.size() + 62) / 63);
  std::vector<float> w(static_cast<std::size_t>(n) * 64, 0.0f), back(w.size()), out;
  for (std::size_t i = 0; i < x.size(); ++i) w[i / 63 * 64 + i % 63] = x[i];
  for (std::size_t row = 0; row < static_cast<std::size_t>(n); ++row) w[row * 64 + 63] = largest;
  dequantize(quantize({w.data(), n, 64}, format, nullptr, isa), {back.data(), n, 64});
  for (std::size_t i = 0; i < x.size(); ++i) out.push_back(back[i / 63 * 64 + i % 63]);
  return out;
}

/// `count` numbers on either side of x, one after the other.
void add_neighbours(std::vector<float>& all, float x, int count) {
  for (float up = x, down = x; count > 0; --count) {
    all.insert(all.end(), {up, down});
    up = std::nextafter(up, 2.0f * std::abs(x) + 1.0f);
    down = std::nextafter(down, -2.0f * std::abs(x) - 1.0f);
  }
}

// Near the borders, near the ends of the cells in which AVX-512 looks codes up, and in between.
TEST(Quantize, Nf4TakesTheLowerCodeAtABorder) {
  std::vector<float> x;
  for (const float border : nf4::borders) add_neighbours(x, border, 2000);
  for (int half = -62; half <= 62; ++half) add_neighbours(x, static_cast<float>(half) / 61.0f, 200);
  for (int i = -100000; i <= 100000; ++i) x.push_back(static_cast<float>(i) * 1e-5f);
  std::erase_if(x, [](float v) { return std::abs(v) > 1.0f; });
  for_isas([&](cpu::Isa isa) {
    const std::vector<float> got = quantised(x, 1.0f, {Precision::nf4, Scaling::group, 64}, isa);
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(got[i], nf4::encode(x[i]).decode()) << x[i] << ' ' << cpu::name(isa);
  });
}

// Where a product lies between two integers, and near there, with scales whose inverse is exact and others.
TEST(Quantize, Int8RoundsTheProductWithTheInverse) {
  for (const float largest : {127.0f, 1.0f, 0.3f, 3e-38f, 1.7e38f, 12345.678f}) {
    const float scale = scale_of<Precision::i8>(largest);
    std::vector<float> x;
    for (int half = -253; half <= 253; ++half) add_neighbours(x, static_cast<float>(half) * 0.5f * scale, 50);
    std::erase_if(x, [&](float v) { return !(std::abs(v) <= largest); });
    for_isas([&](cpu::Isa isa) {
      const std::vector<float> got = quantised(x, largest, {Precision::i8, Scaling::group, 64}, isa);
      for (std::size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(got[i], i8::encode(x[i] * inverse_scale(scale)).decode() * scale) << x[i] << " of " << largest << ' ' << cpu::name(isa);
    });
  }
}

// Weights of 16 bits are quantised as the floats that they are, whatever the instruction set; also those that are no normal numbers.
template <class T>
void expect_as_floats() {
  for (const Shape s : {Shape{33, 7}, Shape{70, 200}, Shape{32, 1024}}) {
    for (const float sigma : {1e-7f, 0.05f, 100.0f}) {
      const auto w = test::normal(static_cast<std::size_t>(s.n * s.k), 13, sigma);
      std::vector<T> small;
      std::vector<float> same;
      for (const float x : w) small.push_back(T::encode(x)), same.push_back(small.back().decode());
      for (const WeightFormat& format : formats()) {
        const PackedMatrix want = quantize({same.data(), s.n, s.k}, format, nullptr, cpu::Isa::scalar);
        for_isas([&](cpu::Isa isa) {
          PackedMatrix got(s.n, s.k, format);
          quantize_rows(got, 0, MatrixView<const T>(small.data(), s.n, s.k), nullptr, isa);
          ASSERT_EQ(std::memcmp(got.memory().data(), want.memory().data(), want.memory().size()), 0)
              << to_string(format) << ' ' << cpu::name(isa) << ' ' << s.n << " x " << s.k << ", sigma " << sigma;
        });
      }
    }
  }
}

// Also where a block is all zeros, or its scale is negative, subnormal or so small that products are.
TEST(Quantize, BlocksOfIntegersAreQuantisedAsFloats) {
  for (const Shape s : {Shape{33, 32}, Shape{70, 224}, Shape{32, 1024}}) {
    for (const float sigma : {1e-7f, 0.05f, 100.0f}) {
      const std::size_t blocks = static_cast<std::size_t>(s.n * s.k / 32);
      const auto scales = test::normal(blocks, 15, sigma), integers = test::normal(blocks * 32, 16, 50.0f);
      std::vector<std::byte> stored;
      std::vector<float> same;
      for (std::size_t b = 0; b < blocks; ++b) {
        const f16 scale = f16::encode(scales[b]);
        for (const int byte : {scale.bits & 255, scale.bits >> 8}) stored.push_back(static_cast<std::byte>(byte));
        for (std::size_t i = 0; i < 32; ++i) {
          const int integer = b % 5 == 0 ? 0 : std::clamp(static_cast<int>(integers[b * 32 + i]), -128, 127);
          stored.push_back(static_cast<std::byte>(integer));
          same.push_back(scale.decode() * static_cast<float>(integer));
        }
      }
      const Int8BlockRows rows{stored.data(), s.n, s.k, s.k / 32 * Int8BlockRows::block_bytes};
      for (const WeightFormat& format : formats()) {
        const PackedMatrix want = quantize({same.data(), s.n, s.k}, format, nullptr, cpu::Isa::scalar);
        for_isas([&](cpu::Isa isa) {
          PackedMatrix got(s.n, s.k, format);
          quantize_rows(got, 0, rows, nullptr, isa);
          ASSERT_EQ(std::memcmp(got.memory().data(), want.memory().data(), want.memory().size()), 0)
              << to_string(format) << ' ' << cpu::name(isa) << ' ' << s.n << " x " << s.k << ", sigma " << sigma;
        });
      }
    }
  }
}

TEST(Quantize, BlocksWithABadScaleAreRefused) {
  std::vector<std::byte> stored(2 * 34 * 32, std::byte{1});
  stored[34 * 9] = std::byte{0}, stored[34 * 9 + 1] = std::byte{0x7c};  // infinity, for row 4, columns 32 to 63
  for (const WeightFormat& format : formats()) {
    PackedMatrix packed(32, 64, format);
    for_isas([&](cpu::Isa isa) {
      const std::string error = test::error_of([&] { quantize_rows(packed, 0, Int8BlockRows{stored.data(), 32, 64, 68}, nullptr, isa); });
      EXPECT_NE(error.find("row 4, column 32"), std::string::npos) << to_string(format) << ' ' << error;
    });
  }
}

TEST(Quantize, HalfsAreQuantisedAsFloats) { expect_as_floats<f16>(); }
TEST(Quantize, BfloatsAreQuantisedAsFloats) { expect_as_floats<bf16>(); }

// Rows, groups and whole matrices of zeros, of which some are negative, become zeros.
TEST(Quantize, ZerosStayZeros) {
  for (const WeightFormat& format : formats()) {
    for (const float zero : {0.0f, -0.0f}) {
      std::vector<float> w(40 * 100, zero), back(w.size(), 1.0f);
      dequantize(quantize({w.data(), 40, 100}, format), {back.data(), 40, 100});
      for (const float x : back) ASSERT_EQ(x, 0.0f) << to_string(format);
    }
  }
}

// Scales at the ends of float's range: no overflow, no division by a vanished scale. The error stays that of the format, or below the
// smallest normal number.
TEST(Quantize, TinyAndHugeWeightsKeepTheirFormatsError) {
  const Shape s{2, 128};
  for (const float sigma : {1e-44f, 1e-41f, 1e-38f, 1e-36f, 1e36f}) {
    const auto w = test::normal(static_cast<std::size_t>(s.n * s.k), 10, sigma);
    for (const WeightFormat& format : formats()) {
      if (sigma > 1 && format.precision == Precision::f16) continue;  // refused, see below
      SCOPED_TRACE(to_string(format) + " " + std::to_string(std::log10(sigma)));
      const PackedMatrix packed = quantize({w.data(), s.n, s.k}, format);
      std::vector<float> back(w.size());
      dequantize(packed, {back.data(), s.n, s.k});
      const auto absmax = shared_absmax(w, s, format);
      test::Worst worst;
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double scale =
            format.scaling == Scaling::none ? 1 : packed.view().scale(static_cast<int>(i) / s.k, static_cast<int>(i) % s.k);
        worst.add(i, w[i], back[i],
                  bound(format.precision, w[i], scale, absmax[i]) + static_cast<double>(std::numeric_limits<float>::min()));
      }
      EXPECT_LE(worst.excess, 0) << worst.text();
    }
  }
}

TEST(Quantize, NamesAValueThatOverflows) {
  std::vector<float> w(64 * 40, 1.0f);
  const auto message = [&](Precision p) -> std::string {
    try {
      quantize({w.data(), 64, 40}, default_format(p));
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  };
  w[50 * 40 + 3] = 65519.0f;
  EXPECT_EQ(message(Precision::f16), "");
  w[50 * 40 + 3] = -65520.0f;  // the first that rounds to infinity
  EXPECT_NE(message(Precision::f16).find("row 50, column 3 is -65520, too large for f16"), std::string::npos) << message(Precision::f16);
  EXPECT_EQ(message(Precision::bf16), "");
  w[50 * 40 + 3] = std::numeric_limits<float>::max();
  EXPECT_NE(message(Precision::bf16).find("too large for bf16"), std::string::npos) << message(Precision::bf16);
  EXPECT_EQ(message(Precision::i8), "");
}

TEST(Dequantize, RefusesAnotherShape) {
  std::vector<float> w(32 * 8, 1.0f);
  const PackedMatrix packed = quantize({w.data(), 32, 8}, default_format(Precision::i8));
  EXPECT_THROW(dequantize(packed, {w.data(), 8, 32}), Error);
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

/// The biased exponent of the largest magnitude among the columns of one exponent group.
template <Precision P>
void expect_exponents(const PackedMatrix& w, Shape s) {
  const int groups = ceil_div(s.k, exponent_group);
  std::vector<CodeOf<P>> codes(static_cast<std::size_t>(s.n * s.k));
  unpack_codes<P>(w, 0, {codes.data(), s.n, s.k});
  for (int row = 0; row < round_up(s.n, CpuPanel::rows); ++row)
    for (int group = 0; group < groups; ++group) {
      float largest = 0;
      for (int col = group * exponent_group; row < s.n && col < std::min(s.k, (group + 1) * exponent_group); ++col) {
        const float x = std::abs(TypeOf<P>{codes[static_cast<std::size_t>(row * s.k + col)]}.decode());
        largest = std::isfinite(x) ? std::max(largest, x) : std::numeric_limits<float>::infinity();
      }
      const std::size_t at = static_cast<std::size_t>((row / CpuPanel::rows * groups + group) * CpuPanel::rows + row % CpuPanel::rows);
      EXPECT_EQ(w.view().exponents[at], float_bits(largest) >> 23) << name(P) << " (" << row << ", group " << group << ")";
    }
}

template <Precision P>
void expect_exponents_however_packed(Shape s) {
  std::vector<float> values = test::normal(static_cast<std::size_t>(s.n * s.k), 5);
  for (std::size_t i = 0; i < values.size(); i += 3) values[i] = std::ldexp(values[i], -static_cast<int>(i % 40));  // subnormal in f16
  PackedMatrix w = quantize({values.data(), s.n, s.k}, default_format(P));
  expect_exponents<P>(w, s);
  std::vector<CodeOf<P>> codes(values.size());
  unpack_codes<P>(w, 0, {codes.data(), s.n, s.k});
  codes[codes.size() / 2] = P == Precision::f16 ? 0xfc00 : 0x7fc0;  // minus infinity, NaN
  pack_codes<P>(w, 0, {codes.data(), s.n, s.k});
  expect_exponents<P>(w, s);
}

TEST(Quantize, StoresTheExponentOfEachGroupOf16BitWeights) {
  for (const Shape s : shapes) {
    expect_exponents_however_packed<Precision::f16>(s);
    expect_exponents_however_packed<Precision::bf16>(s);
  }
  const std::vector<float> w(64);
  EXPECT_EQ(quantize({w.data(), 1, 64}, default_format(Precision::i8)).view().exponents, nullptr);
}

}  // namespace
}  // namespace vernier
