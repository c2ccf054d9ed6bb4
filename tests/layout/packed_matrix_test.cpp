// Which formats exist, how scales are found, and what a matrix refuses to be.
#include "vernier/layout/packed_matrix.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>

namespace vernier {
namespace {

TEST(WeightFormat, TheFormatsAreThese) {
  std::set<std::string> known;
  for (const Precision p : all_precisions)
    for (const Scaling s : all_scalings)
      for (const int group : {0, 64, 128})
        if (why_unsupported({p, s, group}).empty()) known.insert(to_string({p, s, group}));
  const std::set<std::string> want{"f16/none", "bf16/none",      "i8/tensor",   "i8/row",   "i8/group=64",    "i8/group=128", "e4m3/tensor",
                                   "e4m3/row", "e4m3/block=128", "e5m2/tensor", "e5m2/row", "e5m2/block=128", "nf4/group=64"};
  EXPECT_EQ(known, want);
  for (const Precision p : all_precisions) EXPECT_EQ(why_unsupported(default_format(p)).empty(), p != Precision::f32) << name(p);
}

static_assert(check<default_format(Precision::nf4)>() && check<WeightFormat{Precision::i8, Scaling::group, 96}>());

std::string refusal(int n, int k, WeightFormat f) {
  try {
    PackedMatrix(n, k, f);
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(PackedMatrix, RefusesWithTheReason) {
  const struct {
    WeightFormat format;
    const char* words;
  } cases[] = {
      {{Precision::f32, Scaling::none, 0}, "weights are not kept in f32"},
      {{Precision::f16, Scaling::row, 0}, "f16 and bf16 take no scale"},
      {{Precision::i8, Scaling::none, 0}, "i8 is scaled per row"},
      {{Precision::i8, Scaling::group, 48}, "group must be a multiple of 32"},
      {{Precision::i8, Scaling::group, 0}, "group must be a multiple of 32"},
      {{Precision::i8, Scaling::group, -32}, "group must be a multiple of 32"},
      {{Precision::i8, Scaling::group, 1 << 30}, "to 65536"},
      {{Precision::i8, Scaling::row, 32}, "this scaling has no group"},
      {{Precision::i8, Scaling::block, 128}, "i8 is scaled per row"},
      {{Precision::e4m3, Scaling::block, 64}, "128 rows by 128 columns"},
      {{Precision::e5m2, Scaling::group, 64}, "fp8 is scaled per tensor"},
      {{Precision::nf4, Scaling::row, 0}, "nf4 is scaled per group of 64"},
      {{Precision::nf4, Scaling::group, 128}, "nf4 groups are 64 columns"},
  };
  for (const auto& c : cases) EXPECT_NE(refusal(32, 64, c.format).find(c.words), std::string::npos) << refusal(32, 64, c.format);
  for (const int bad : {0, -1, PackedMatrix::max_extent + 1}) {
    EXPECT_NE(refusal(bad, 64, {}).find("n = " + std::to_string(bad)), std::string::npos);
    EXPECT_NE(refusal(64, bad, {}).find("k = " + std::to_string(bad)), std::string::npos);
  }
}

TEST(PackedMatrix, EveryRowAndGroupHasItsOwnScale) {
  PackedMatrix w(70, 200, {Precision::i8, Scaling::group, 64});
  ASSERT_EQ(w.scale_groups(), 4);
  const int count = w.panel().panels() * w.scale_groups() * CpuPanel::rows;
  for (int i = 0; i < count; ++i) w.scales()[i] = static_cast<float>(i);
  std::set<float> seen;
  for (int row = 0; row < 70; ++row)
    for (int col = 0; col < 200; ++col) seen.insert(w.view().scale(row, col));
  EXPECT_EQ(seen.size(), 70u * 4u);
  EXPECT_EQ(w.view().scale(33, 63), w.view().scale(33, 0));
  EXPECT_NE(w.view().scale(33, 64), w.view().scale(33, 0));
  EXPECT_EQ(w.bytes(), 3u * 32u * 200u + static_cast<std::size_t>(count) * sizeof(float));
}

TEST(PackedMatrix, StartsAlignedAndEndsInReadableZeros) {
  PackedMatrix w(33, 7, default_format(Precision::nf4));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(w.codes()) % buffer_alignment, 0u);
  for (std::size_t i = 0; i < buffer_alignment; ++i) EXPECT_EQ(w.codes()[w.panel().total_bytes() + i], 0);
}

TEST(PackedMatrix, WithoutScalesTheScaleIsOne) {
  PackedMatrix w(3, 5, default_format(Precision::f16));
  EXPECT_EQ(w.scale_groups(), 0);
  EXPECT_EQ(w.view().scale(2, 4), 1.0f);
}

}  // namespace
}  // namespace vernier
