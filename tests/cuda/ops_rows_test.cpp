// What the CUDA side does to rows beside norms, on the emulator: quantisation bit by bit as on the CPU, conversion, SwiGLU, addition and
// the lookup of rows.
#include <gtest/gtest.h>

#include <vector>

#include "cuda/every_schedule.hpp"
#include "support/compare.hpp"
#include "vernier/gemm/activations.hpp"
#include "vernier/ops/elementwise.cuh"
#include "vernier/ops/elementwise.hpp"
#include "vernier/ops/quantize_rows.cuh"
#include "vernier/ops/reference.hpp"
#include "vernier/quant/quantize.hpp"
#include "vernier/quant/repack_mma.hpp"

namespace vernier::cuda {
namespace {

constexpr double eps = 0x1p-24;

/// Rows of every kind: ordinary ones, zeros, one too small for a scale, NaN, infinity, ties and negative zeros.
std::vector<float> difficult_rows(int n) {
  std::vector<float> x = test::normal(static_cast<std::size_t>(7 * n), 1, 4.0f);
  const auto row = [&](int r) { return x.begin() + r * n; };
  std::fill_n(row(1), n, 0.0f);
  row(1)[3] = -0.0f;
  for (int i = 0; i < n; ++i) row(2)[i] *= 1e-38f;
  row(3)[n - 1] = NAN;
  row(4)[0] = -INFINITY;
  for (int i = 0; i < n; ++i) row(5)[i] = static_cast<float>(i % 255 - 127) + 0.5f;  // with absmax 127 these are ties
  row(5)[n - 1] = 127.0f;
  for (int i = 0; i < n; ++i) row(6)[i] = 1e-36f * static_cast<float>(i);
  return x;
}

TEST(CudaQuantizeRows, Int8IsThatOfTheCpuToTheBit) {
  const int rows = 7, n = 320;
  const std::vector<float> x = difficult_rows(n);
  std::vector<std::int8_t> want(x.size());
  std::vector<float> want_scales(rows);
  for (int r = 0; r < rows; ++r) {
    std::vector<float> scales(n / 32);  // with a scale per token they are all the same
    std::vector<std::int32_t> offsets(n / 32);
    cpu::pack_int8(x.data() + r * n, n, n,
                   {.quantizer = cpu::span_quantizer(cpu::Isa::scalar),
                    .scaling = cpu::ActivationScaling::token,
                    .codes = want.data() + r * n,
                    .scales = scales.data(),
                    .offsets = offsets.data()});
    want_scales[static_cast<std::size_t>(r)] = scales[0];
  }
  in_every_schedule([&] {
    std::vector<i8> codes(x.size());
    std::vector<float> scales(rows);
    quantize_rows(MatrixView<const float>{x.data(), rows, n}, QuantizedRows<i8>{{codes.data(), rows, n}, scales.data()});
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(codes[i].bits, want[i]) << i << ": " << x[i];
    for (std::size_t r = 0; r < rows; ++r)
      EXPECT_TRUE(scales[r] == want_scales[r] || (std::isnan(scales[r]) && std::isnan(want_scales[r]))) << r;
    EXPECT_TRUE(std::isnan(scales[3]) && std::isnan(scales[4]));
  });
}

TEST(CudaQuantizeRows, E4m3) {
  const int rows = 7, n = 4200;
  const std::vector<float> x = difficult_rows(n);
  std::vector<e4m3> codes(x.size());
  std::vector<float> scales(rows);
  quantize_rows(MatrixView<const float>{x.data(), rows, n}, QuantizedRows<e4m3>{{codes.data(), rows, n}, scales.data()});
  for (std::size_t r = 0; r < rows; ++r) {
    float most = 0;
    bool finite = true;
    for (std::size_t i = 0; i < n; ++i) {
      most = std::max(most, std::abs(x[r * n + i]));
      finite = finite && std::isfinite(x[r * n + i]);
    }
    const float scale = most / 448.0f, inverse = scale >= 0x1p-126f ? 1.0f / scale : 0.0f;
    EXPECT_TRUE(finite ? scales[r] == scale : std::isnan(scales[r])) << r;
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint8_t want = !finite || inverse == 0 ? std::uint8_t{0} : e4m3::encode(x[r * n + i] * inverse).bits;
      ASSERT_EQ(codes[r * n + i].bits, want) << r << ", " << i;
    }
  }
}

TEST(CudaQuantizeRows, SixteenBitRows) {
  const int n = 64;
  std::vector<f16> half;
  std::vector<float> wide, scales(2), wide_scales(2);
  for (float value : test::normal(2 * n, 5)) {
    half.push_back(f16::encode(value));
    wide.push_back(half.back().decode());
  }
  std::vector<i8> a(2 * n), b(2 * n);
  quantize_rows(MatrixView<const f16>{half.data(), 2, n}, QuantizedRows<i8>{{a.data(), 2, n}, scales.data()});
  quantize_rows(MatrixView<const float>{wide.data(), 2, n}, QuantizedRows<i8>{{b.data(), 2, n}, wide_scales.data()});
  EXPECT_EQ(a, b);
  EXPECT_EQ(scales, wide_scales);
}

template <class T>
void expect_converted(const std::vector<float>& x, int rows) {
  const int n = static_cast<int>(x.size()) / rows;
  std::vector<T> out(x.size());
  convert_rows(MatrixView<const float>{x.data(), rows, n}, MatrixView<T>{out.data(), rows, n});
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]))
      EXPECT_TRUE(std::isnan(out[i].decode())) << i;
    else
      ASSERT_EQ(out[i].bits, T::encode(x[i]).bits) << x[i];
  }
  std::vector<float> back(x.size());
  convert_rows(MatrixView<const T>{out.data(), rows, n}, MatrixView<float>{back.data(), rows, n});
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) continue;
    ASSERT_EQ(back[i], out[i].decode());
  }
}

TEST(CudaConvertRows, RoundsAsTheTypesDo) {
  const std::vector<float> x = difficult_rows(40);
  in_every_schedule([&] {
    expect_converted<f16>(x, 7);
    expect_converted<bf16>(x, 1);
  });
}

TEST(CudaSwiglu, MatchesReference) {
  const int rows = 5, n = 456;
  const auto size = static_cast<std::size_t>(rows * n);
  std::vector<float> gate = test::normal(size, 1, 4.0f);
  const std::vector<float> up = test::normal(size, 2);
  gate[7] = -200.0f, gate[8] = 200.0f, gate[9] = 0.0f;
  const MatrixView<const float> g{gate.data(), rows, n}, u{up.data(), rows, n};
  in_every_schedule([&] {
    std::vector<float> y(size);
    swiglu(g, u, MatrixView<float>{y.data(), rows, n});
    std::vector<bf16> narrow(size);
    swiglu(g, u, MatrixView<bf16>{narrow.data(), rows, n});
    test::Worst worst;  // six roundings of silu and one of the product
    for (std::size_t i = 0; i < size; ++i) {
      const double want = reference::silu(static_cast<double>(gate[i])) * static_cast<double>(up[i]);
      worst.add(i, want, static_cast<double>(y[i]), 7.01 * eps * std::abs(want) + 1e-37);
      EXPECT_EQ(narrow[i], bf16::encode(y[i]));
    }
    EXPECT_LE(worst.excess, 0) << worst.text();

    std::vector<float> scales(rows), want_scales(rows), in_place = gate;
    std::vector<i8> codes(size), want_codes(size);
    swiglu(g, u, QuantizedRows<i8>{{codes.data(), rows, n}, scales.data()});
    quantize_rows(MatrixView<const float>{y.data(), rows, n}, QuantizedRows<i8>{{want_codes.data(), rows, n}, want_scales.data()});
    EXPECT_EQ(codes, want_codes);
    EXPECT_EQ(scales, want_scales);
    const MatrixView<float> same{in_place.data(), rows, n};
    swiglu(MatrixView<const float>{same}, u, same);
    EXPECT_EQ(in_place, y);
  });
}

TEST(CudaElementwise, AddsInPlace) {
  const int rows = 3, n = 264;
  const std::vector<float> a = test::normal(rows * n, 1), b = test::normal(rows * n, 2);
  in_every_schedule([&] {
    std::vector<float> sum = a;
    add({sum.data(), rows, n}, {b.data(), rows, n});
    for (std::size_t i = 0; i < sum.size(); ++i) ASSERT_EQ(sum[i], a[i] + b[i]);
  });
}

template <class T>
void expect_rows_of_table() {
  const int vocabulary = 11, n = 40;
  std::vector<T> table;
  for (float value : test::normal(vocabulary * n, 3)) {
    if constexpr (std::is_same_v<T, float>)
      table.push_back(value);
    else
      table.push_back(T::encode(value));
  }
  const std::vector<int> ids{10, 0, 3, 3, 11, -1};
  std::vector<float> out(ids.size() * n);
  gather_rows(MatrixView<const T>{table.data(), vocabulary, n}, ids.data(), MatrixView<float>{out.data(), static_cast<int>(ids.size()), n});
  for (std::size_t r = 0; r < ids.size(); ++r)
    for (std::size_t i = 0; i < n; ++i) {
      if (r >= 4) {
        ASSERT_TRUE(std::isnan(out[r * n + i])) << "id " << ids[r];
        continue;
      }
      float want = 0;
      if constexpr (std::is_same_v<T, float>)
        want = table[static_cast<std::size_t>(ids[r]) * n + i];
      else
        want = table[static_cast<std::size_t>(ids[r]) * n + i].decode();
      ASSERT_EQ(out[r * n + i], want);
    }
}

TEST(CudaElementwise, GathersRows) {
  in_every_schedule([&] {
    expect_rows_of_table<float>();
    expect_rows_of_table<f16>();
    expect_rows_of_table<bf16>();
  });
}

/// The CPU looks up the same codes and multiplies them by the same scales.
TEST(CudaElementwise, GathersPackedRowsAsTheCpuDoes) {
  const int n = 45, k = 136;
  const std::vector<float> weights = test::normal(static_cast<std::size_t>(n * k), 4);
  const std::vector<int> ids{44, 0, 31, 32, 45}, inside(ids.begin(), ids.end() - 1);
  for (Precision p : all_precisions) {
    if (p == Precision::f32) continue;  // weights are not packed as floats
    SCOPED_TRACE(name(p));
    const PackedMatrix matrix = quantize({weights.data(), n, k}, default_format(p));
    const PackedWeights packed = repack_mma(matrix);
    std::vector<float> want(inside.size() * k);
    ops::embed(matrix.view(), inside.data(), {want.data(), static_cast<int>(inside.size()), k});
    in_every_schedule([&] {
      std::vector<float> out(ids.size() * k);
      gather_rows(packed.view(), ids.data(), MatrixView<float>{out.data(), static_cast<int>(ids.size()), k});
      for (std::size_t i = 0; i < want.size(); ++i) ASSERT_EQ(out[i], want[i]) << i;
      for (std::size_t i = want.size(); i < out.size(); ++i) ASSERT_TRUE(std::isnan(out[i])) << i;
    });
  }
  WeightView gated{};
  gated.k = k;
  gated.gated = true;
  std::vector<float> out(k);
  EXPECT_THROW(gather_rows(gated, ids.data(), MatrixView<float>{out.data(), 1, k}), Error);
}

TEST(CudaElementwise, SaysWhatIsWrong) {
  std::vector<float> x(128);
  std::vector<int> ids(2);
  std::vector<i8> codes(64);
  const MatrixView<float> y{x.data(), 2, 32};
  const MatrixView<const float> a{y};
  EXPECT_THROW(add(y, {x.data(), 4, 16}), Error);
  EXPECT_THROW(swiglu(a, {x.data(), 2, 24}, y), Error);
  EXPECT_THROW(swiglu(a, a, MatrixView<float>{x.data() + 2, 2, 32}), Error);
  EXPECT_THROW(quantize_rows(a, QuantizedRows<i8>{{codes.data(), 2, 32}, nullptr}), Error);
  EXPECT_THROW(quantize_rows(a, QuantizedRows<i8>{{codes.data(), 1, 32}, x.data()}), Error);
  EXPECT_THROW(convert_rows(MatrixView<const float>{x.data(), 2, 20}, MatrixView<float>{x.data(), 2, 20}), Error);
  EXPECT_THROW(gather_rows(a, ids.data(), MatrixView<float>{x.data(), 2, 16}), Error);
  EXPECT_THROW(gather_rows(a, nullptr, y), Error);
  EXPECT_NO_THROW(add({x.data(), 0, 32}, {x.data(), 0, 32}));
}

}  // namespace
}  // namespace vernier::cuda
