// From CPU panels to CUDA tiles: every code and every scale arrives, whatever the precision, the scaling and the shape.
#include "vernier/quant/repack_mma.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace vernier::cuda {
namespace {

constexpr WeightFormat formats[] = {
    {Precision::f16, Scaling::none, 0},    {Precision::bf16, Scaling::none, 0}, {Precision::i8, Scaling::row, 0},
    {Precision::i8, Scaling::tensor, 0},   {Precision::i8, Scaling::group, 32}, {Precision::i8, Scaling::group, 96},
    {Precision::i8, Scaling::group, 256},  {Precision::e4m3, Scaling::row, 0},  {Precision::e4m3, Scaling::block, 128},
    {Precision::e5m2, Scaling::tensor, 0}, {Precision::nf4, Scaling::group, 64}};

PackedMatrix random_matrix(int n, int k, WeightFormat format, unsigned seed) {
  PackedMatrix w(n, k, format);
  std::mt19937 bits(seed);
  visit_precision(format.precision, [&]<Precision P>() {
    std::vector<CodeOf<P>> codes(static_cast<std::size_t>(n * k));
    for (auto& code : codes) {
      code = static_cast<CodeOf<P>>(bits());
      if (P == Precision::nf4) code = static_cast<CodeOf<P>>(code & 15u);
      if (P == Precision::e4m3 && (code & 0x7fu) == 0x7fu) code = 0;
    }
    pack_codes<P>(w, 0, MatrixView<const CodeOf<P>>(codes.data(), n, k));
  });
  const int count = w.panel().panels() * w.scale_groups() * CpuPanel::rows;
  for (int i = 0; i < count; ++i) w.scales()[i] = static_cast<float>(i + 1);
  return w;
}

unsigned code_at(const PackedMatrix& w, int row, int col) {
  const PackedView v = w.view();
  const std::uint8_t* at = v.codes + v.panel().byte_offset(row, col);
  switch (bits(w.format().precision)) {
    case 4: return CpuPanel::high_nibble(col) ? at[0] >> 4u : at[0] & 15u;
    case 8: return at[0];
    default: return at[0] | static_cast<unsigned>(at[1]) << 8;
  }
}
unsigned code_at(const WeightView& v, int row, int col) {
  const std::uint8_t* at = v.codes + v.tile().byte_offset(row, col);
  switch (bits(v.format.precision)) {
    case 4: return MmaTile::nf4_code(MmaTile::high_nibble(col) ? at[0] >> 4u : at[0] & 15u);
    case 8: return at[0];
    default: return at[0] | static_cast<unsigned>(at[1]) << 8;
  }
}
float scale_at(const WeightView& v, int row, int col) {
  return v.scale_groups == 0 ? 1.0f : v.scales[MmaTile::scale_index(row, v.scale_group == 0 ? 0 : col / v.scale_group, v.scale_groups)];
}

/// Rows [first, first + w.n()) of `packed`, every step-th row of tiles, are w.
void expect_rows(const PackedMatrix& w, const WeightView& packed, int first, int step = 1) {
  for (int row = 0; row < w.n(); ++row) {
    const int at = first + row / 16 * 16 * step + row % 16;
    for (int col = 0; col < w.k(); ++col) {
      ASSERT_EQ(code_at(packed, at, col), code_at(w, row, col)) << to_string(w.format()) << " " << row << ", " << col;
      ASSERT_EQ(scale_at(packed, at, col), w.view().scale(row, col)) << to_string(w.format()) << " " << row << ", " << col;
    }
  }
}

TEST(RepackMma, EveryCodeAndScaleArrives) {
  for (const WeightFormat format : formats)
    for (const auto& [n, k] : {std::pair{1, 1}, {16, 64}, {17, 130}, {70, 300}}) {
      const PackedMatrix w = random_matrix(n, k, format, 1);
      expect_rows(w, repack_mma(w).view(), 0);
    }
}

TEST(RepackMma, PaddingIsZero) {
  for (const WeightFormat format : formats) {
    const PackedMatrix w = random_matrix(18, 70, format, 2);
    const PackedWeights packed = repack_mma(w);
    const WeightView v = packed.view();
    for (int row = 0; row < 32; ++row)
      for (int col = 0; col < 128; ++col) {
        if (row < 18 && col < 70) continue;
        EXPECT_EQ(code_at(v, row, col), format.precision == Precision::nf4 ? nf4::zero_code : 0u);
        if (row >= 18 && v.scale_groups != 0) {
          EXPECT_EQ(scale_at(v, row, col), 0.0f);
        }
      }
  }
}

TEST(RepackMma, MatricesUnderEachOther) {
  for (const WeightFormat format : {formats[0], formats[4], formats[10]}) {
    const PackedMatrix a = random_matrix(48, 96, format, 1), b = random_matrix(16, 96, format, 2), c = random_matrix(7, 96, format, 3);
    const PackedWeights packed = repack_mma({&a, &b, &c});
    EXPECT_EQ(packed.view().n, 71);
    expect_rows(a, packed.view(), 0);
    expect_rows(b, packed.view(), 48);
    expect_rows(c, packed.view(), 64);
  }
}

TEST(RepackMma, GatedTilesTakeTurns) {
  const PackedMatrix gate = random_matrix(48, 96, formats[10], 1), up = random_matrix(48, 96, formats[10], 2);
  const PackedWeights packed = repack_mma_gated(gate, up);
  EXPECT_TRUE(packed.view().gated);
  expect_rows(gate, packed.view(), 0, 2);
  expect_rows(up, packed.view(), 16, 2);
}

TEST(RepackMma, NanOfE4m3BecomesTheScale) {
  PackedMatrix w = random_matrix(20, 300, {Precision::e4m3, Scaling::block, 128}, 1);
  w.codes()[w.panel().byte_offset(3, 130)] = 0xff;
  const PackedWeights packed = repack_mma(w);
  EXPECT_TRUE(std::isnan(scale_at(packed.view(), 3, 128)));
  EXPECT_FALSE(std::isnan(scale_at(packed.view(), 3, 127)));
  EXPECT_FALSE(std::isnan(scale_at(packed.view(), 3, 256)));
  EXPECT_FALSE(std::isnan(scale_at(packed.view(), 4, 128)));
}

TEST(RepackMma, RefusesWhatDoesNotFit) {
  const PackedMatrix a = random_matrix(17, 64, formats[0], 1), b = random_matrix(16, 64, formats[1], 1),
                     c = random_matrix(16, 32, formats[0], 1);
  EXPECT_THROW(repack_mma({&a, &a}), Error);
  EXPECT_THROW(repack_mma({&b, &a}), Error);
  EXPECT_THROW(repack_mma({&c, &a}), Error);
  EXPECT_THROW(repack_mma_gated(a, a), Error);
  EXPECT_THROW(repack_mma_gated(b, c), Error);
  EXPECT_THROW(PackedWeights(0, 1, formats[0]), Error);
  PackedWeights out(16, 64, formats[0]);
  EXPECT_THROW(repack_panel(a, 0, out), Error);
  EXPECT_THROW(repack_panel(c, 0, out), Error);
}

}  // namespace
}  // namespace vernier::cuda
