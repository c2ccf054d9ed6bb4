// SwiGLU against its definition; embedding rows against codes placed by hand through the panel order.
#include "vernier/ops/elementwise.hpp"

#include <gtest/gtest.h>

#include "support/compare.hpp"
#include "vernier/ops/reference.hpp"

namespace vernier::ops {
namespace {

constexpr double eps = 0x1p-24;

TEST(Elementwise, SwigluMatchesReferenceForAnyPool) {
  const int rows = 61, cols = 301;
  std::vector<float> both = test::normal(static_cast<std::size_t>(rows * cols * 2), 1, 4.0f);
  const MatrixView<float> x{both.data(), rows, cols * 2};
  std::vector<float> first;
  for (int threads : {1, 3}) {
    cpu::ThreadPool pool(threads);
    std::vector<float> y(static_cast<std::size_t>(rows * cols));
    const MatrixView<float> out{y.data(), rows, cols};
    swiglu(x.slice_cols(0, cols), x.slice_cols(cols, cols), out, &pool);
    test::Worst worst;  // six roundoffs of silu and one of the product
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < cols; ++i) {
        const double want = reference::silu(static_cast<double>(x(r, i))) * static_cast<double>(x(r, cols + i));
        worst.add(static_cast<std::size_t>(r * cols + i), want, static_cast<double>(out(r, i)), 7.01 * eps * std::abs(want) + 1e-37);
      }
    EXPECT_LE(worst.excess, 0) << worst.text();
    if (first.empty()) first = y;
    EXPECT_EQ(y, first);
    std::vector<float> gate(y.size());
    const MatrixView<float> in_place{gate.data(), rows, cols};
    for (int r = 0; r < rows; ++r) std::copy_n(x.row(r), cols, in_place.row(r));
    swiglu(in_place, x.slice_cols(cols, cols), in_place, &pool);
    EXPECT_EQ(gate, first);
  }
  EXPECT_THROW(swiglu(x.slice_cols(0, 4), x.slice_cols(0, 5), x.slice_cols(0, 4)), Error);
}

TEST(Elementwise, AddsInPlace) {
  std::vector<float> a{1, 2, 3, 4}, b{10, 20, 30, 40};
  add({a.data(), 2, 2}, {b.data(), 2, 2});
  EXPECT_EQ(a, (std::vector<float>{11, 22, 33, 44}));
  EXPECT_THROW(add({a.data(), 2, 2}, {b.data(), 1, 4}), Error);
}

// A matrix whose code at (row, col) is known: the lookup must find each through the panel order, ragged in rows and columns.
TEST(Elementwise, EmbedFindsCodesOfEachPrecision) {
  const int n = 45, k = 21;
  for (Precision p : all_precisions) {
    if (p == Precision::f32) continue;  // weights are not packed as floats
    PackedMatrix w(n, k, default_format(p));
    std::fill(w.codes(), w.codes() + w.panel().total_bytes(), std::uint8_t{0});
    const auto scale = [&](int row, int col) {
      return w.scale_groups() == 0 ? 1.0f : 0.5f + static_cast<float>(row) + static_cast<float>(col / w.scale_group());
    };
    for (int row = 0; row < n; ++row)
      for (int group = 0; group < w.scale_groups(); ++group)
        w.scales()[(row / 32 * w.scale_groups() + group) * 32 + row % 32] = scale(row, group * w.scale_group());
    const auto code = [](int row, int col) { return static_cast<std::uint8_t>((row * 7 + col * 5) % 100); };
    for (int row = 0; row < n; ++row)
      for (int col = 0; col < k; ++col) {
        std::uint8_t* at = w.codes() + w.panel().byte_offset(row, col);
        if (p == Precision::nf4)
          *at = static_cast<std::uint8_t>(*at | (code(row, col) % 16) << (CpuPanel::high_nibble(col) ? 4 : 0));
        else
          at[bits(p) / 8 - 1] = code(row, col);  // the top byte: sign 0, a finite exponent
      }
    const std::vector<int> ids{44, 0, 31, 32, 44};
    std::vector<float> out(ids.size() * k);
    embed(w.view(), ids.data(), {out.data(), static_cast<int>(ids.size()), k});
    for (std::size_t r = 0; r < ids.size(); ++r)
      for (int col = 0; col < k; ++col) {
        const std::uint8_t c = code(ids[r], col);
        float want = 0;
        switch (p) {
          case Precision::f32: break;
          case Precision::f16: want = f16{static_cast<std::uint16_t>(c << 8)}.decode(); break;
          case Precision::bf16: want = bits_float(std::uint32_t{c} << 24); break;
          case Precision::i8: want = static_cast<float>(c); break;
          case Precision::e4m3: want = e4m3{c}.decode(); break;
          case Precision::e5m2: want = e5m2{c}.decode(); break;
          case Precision::nf4: want = nf4::values[c % 16]; break;
        }
        ASSERT_EQ(out[r * k + static_cast<std::size_t>(col)], want * scale(ids[r], col)) << name(p) << " row " << ids[r] << " col " << col;
      }
  }
}

TEST(Elementwise, EmbedFromPlainTables) {
  std::vector<bf16> table(6);
  for (std::size_t i = 0; i < 6; ++i) table[i] = bf16::encode(static_cast<float>(i));
  const std::vector<int> ids{2, 0};
  std::vector<float> out(4);
  embed(MatrixView<const bf16>{table.data(), 3, 2}, ids.data(), {out.data(), 2, 2});
  EXPECT_EQ(out, (std::vector<float>{4, 5, 0, 1}));

  const std::vector<float> single{1, 2, 3, 4};
  embed(MatrixView<const float>{single.data(), 2, 2}, std::vector<int>{1, 1}.data(), {out.data(), 2, 2});
  EXPECT_EQ(out, (std::vector<float>{3, 4, 3, 4}));

  const std::vector<int> beyond{3}, negative{-1};
  EXPECT_THROW(embed(MatrixView<const bf16>{table.data(), 3, 2}, beyond.data(), {out.data(), 1, 2}), Error);
  EXPECT_THROW(embed(MatrixView<const bf16>{table.data(), 3, 2}, negative.data(), {out.data(), 1, 2}), Error);
  EXPECT_THROW(embed(MatrixView<const bf16>{table.data(), 3, 2}, ids.data(), {out.data(), 1, 3}), Error);
}

}  // namespace
}  // namespace vernier::ops
