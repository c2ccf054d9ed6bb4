// The panel order: each element has a place of its own, places fill the matrix, and the fast tile walk finds the same places.
#include "vernier/layout/cpu_panel.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "vernier/quant/repack.hpp"

namespace vernier {
namespace {

struct Shape {
  int n, k;
};
constexpr Shape shapes[] = {{1, 1}, {31, 3}, {32, 8}, {33, 65}, {64, 64}, {97, 130}, {5, 576}};

template <Precision P>
struct Format {
  static constexpr Precision precision = P;
};
template <class F>
class Panels : public testing::Test {};
using Formats = testing::Types<Format<Precision::f16>, Format<Precision::bf16>, Format<Precision::i8>, Format<Precision::e4m3>,
                               Format<Precision::e5m2>, Format<Precision::nf4>>;
TYPED_TEST_SUITE(Panels, Formats);

TYPED_TEST(Panels, EveryElementOfThePaddedMatrixHasItsOwnBits) {
  for (const Shape s : shapes) {
    const CpuPanel panel{TypeParam::precision, s.n, s.k};
    const std::size_t width = static_cast<std::size_t>(bits(panel.precision));
    std::vector<int> used(panel.total_bytes() * 8, 0);
    for (int row = 0; row < panel.panels() * CpuPanel::rows; ++row) {
      for (int col = 0; col < panel.padded_k(); ++col) {
        std::size_t first = panel.byte_offset(row, col) * 8;
        if (width == 4 && CpuPanel::high_nibble(col)) first += 4;
        ASSERT_LE(first + width, used.size());
        for (std::size_t bit = first; bit < first + width; ++bit) ++used[bit];
      }
    }
    for (const int count : used) ASSERT_EQ(count, 1);  // none twice, none left out
  }
}

TYPED_TEST(Panels, PanelsAndStepsAreContiguous) {
  const CpuPanel panel{TypeParam::precision, 97, 130};
  for (int i = 0; i < panel.panels(); ++i)
    EXPECT_EQ(panel.byte_offset(i * CpuPanel::rows, 0), static_cast<std::size_t>(i) * panel.panel_bytes());
  for (int i = 0; i < panel.steps(); ++i)
    EXPECT_EQ(panel.byte_offset(0, i * CpuPanel::pack(panel.precision)), static_cast<std::size_t>(i) * panel.step_bytes());
}

/// The code at (row, col), found through byte_offset() alone.
template <Precision P>
CodeOf<P> code_at(const PackedView& w, int row, int col) {
  const std::uint8_t* place = w.codes + w.panel().byte_offset(row, col);
  CodeOf<P> code;
  std::memcpy(&code, place, sizeof code);
  if constexpr (P == Precision::nf4) code = static_cast<std::uint8_t>(CpuPanel::high_nibble(col) ? code >> 4 : code & 15);
  return code;
}

TYPED_TEST(Panels, CodesGoInAndComeBackExactlyAndPaddingIsZero) {
  constexpr Precision P = TypeParam::precision;
  std::mt19937 random(3);
  for (const Shape s : shapes) {
    SCOPED_TRACE(std::to_string(s.n) + " x " + std::to_string(s.k));
    std::vector<CodeOf<P>> codes(static_cast<std::size_t>(s.n * s.k)), back(codes.size());
    for (auto& code : codes) code = static_cast<CodeOf<P>>(random() & (P == Precision::nf4 ? 15u : 0xffffu));
    PackedMatrix packed(s.n, s.k, default_format(P));
    pack_codes<P>(packed, 0, {codes.data(), s.n, s.k});
    const PackedView view = packed.view();
    for (int row = 0; row < packed.panel().panels() * CpuPanel::rows; ++row) {
      for (int col = 0; col < packed.panel().padded_k(); ++col) {
        const bool inside = row < s.n && col < s.k;
        const CodeOf<P> want = inside ? codes[static_cast<std::size_t>(row * s.k + col)] : zero_code<P>;
        ASSERT_EQ(code_at<P>(view, row, col), want) << row << ", " << col;
      }
    }
    unpack_codes<P>(packed, 0, {back.data(), s.n, s.k});
    EXPECT_EQ(back, codes);
  }
}

TYPED_TEST(Panels, SlicesOfRowsMakeTheSameMatrix) {
  constexpr Precision P = TypeParam::precision;
  const int n = 75, k = 40;
  std::vector<CodeOf<P>> codes(static_cast<std::size_t>(n * k));
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<CodeOf<P>>(i * 7 % 16);
  const MatrixView<const CodeOf<P>> all(codes.data(), n, k);
  PackedMatrix whole(n, k, default_format(P)), sliced(n, k, default_format(P));
  pack_codes<P>(whole, 0, all);
  pack_codes<P>(sliced, 64, all.slice_rows(64, 11));
  pack_codes<P>(sliced, 0, all.slice_rows(0, 64));
  EXPECT_EQ(std::memcmp(whole.codes(), sliced.codes(), whole.panel().total_bytes()), 0);

  EXPECT_THROW(pack_codes<P>(whole, 16, all.slice_rows(16, 32)), Error);  // not at a panel
  EXPECT_THROW(pack_codes<P>(whole, 0, all.slice_rows(0, 33)), Error);    // ends inside a panel
  EXPECT_THROW(pack_codes<P>(whole, 64, all.slice_rows(0, 32)), Error);   // beyond the last row
  EXPECT_THROW(pack_codes<P>(whole, -32, all.slice_rows(0, 32)), Error);
  EXPECT_THROW(pack_codes<P>(whole, 0, all.slice_cols(0, 39)), Error);
}

TEST(Repack, RefusesCodesOfAnotherPrecision) {
  PackedMatrix w(32, 8, default_format(Precision::i8));
  std::vector<std::uint8_t> codes(32 * 8);
  EXPECT_THROW(pack_codes<Precision::e4m3>(w, 0, {codes.data(), 32, 8}), Error);
  EXPECT_THROW(unpack_codes<Precision::e4m3>(w, 0, {codes.data(), 32, 8}), Error);
}

}  // namespace
}  // namespace vernier
