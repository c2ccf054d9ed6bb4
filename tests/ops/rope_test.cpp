// Rotary tables and the rotation against the definition in double; scaling against its formula at the borders.
#include "vernier/ops/rope.hpp"

#include <gtest/gtest.h>

#include "support/compare.hpp"
#include "vernier/ops/reference.hpp"

namespace vernier::ops {
namespace {

constexpr double eps = 0x1p-24;

TEST(Rope, RotationMatchesReference) {
  const int heads = 3, rows = 5;
  const std::vector<int> positions{0, 1, 77, 1000, 8191};
  for (int head_dim : {8, 64, 80})
    for (int rotary_dim : {head_dim, head_dim / 2}) {
      RopeTable table({.rotary_dim = rotary_dim, .base = 100000.0});
      table.reserve(8192);
      const auto frequencies = rope_frequencies({.rotary_dim = rotary_dim, .base = 100000.0});
      const std::vector<float> x = test::normal(static_cast<std::size_t>(rows * heads * head_dim), 1);
      std::vector<float> y = x;
      rotate({y.data(), rows, heads * head_dim}, head_dim, positions.data(), table);
      test::Worst worst;
      for (int r = 0; r < rows; ++r)
        for (int h = 0; h < heads; ++h) {
          const std::size_t at = static_cast<std::size_t>((r * heads + h) * head_dim);
          const auto want = reference::rotate_head(std::span(x).subspan(at, static_cast<std::size_t>(head_dim)), frequencies,
                                                   positions[static_cast<std::size_t>(r)]);
          const int half = rotary_dim / 2;
          for (int i = 0; i < head_dim; ++i) {
            // Cosine, product and sum round once each, on terms that are at most |a| + |b|; what does not turn is exact.
            const auto abs_at = [&](int j) { return static_cast<double>(std::abs(x[at + static_cast<std::size_t>(j)])); };
            const double size = i < rotary_dim ? abs_at(i) + abs_at(i < half ? i + half : i - half) : 0;
            const std::size_t element = static_cast<std::size_t>(i);
            worst.add(at + element, want[element], static_cast<double>(y[at + element]), 3.01 * eps * size);
          }
        }
      EXPECT_LE(worst.excess, 0) << "head_dim " << head_dim << ", rotary_dim " << rotary_dim << ", " << worst.text();
    }
}

TEST(Rope, TableGrowsAndKeepsItsRows) {
  RopeTable grown({.rotary_dim = 16}), whole({.rotary_dim = 16});
  whole.reserve(2000);
  for (int n : {1, 2, 300, 301, 2000}) {
    grown.reserve(n);
    ASSERT_GE(grown.positions(), n);
  }
  for (int position = 0; position < 2000; ++position)
    for (int i = 0; i < 8; ++i) {
      ASSERT_EQ(grown.cos(position)[i], whole.cos(position)[i]);
      ASSERT_EQ(grown.sin(position)[i], whole.sin(position)[i]);
    }
}

TEST(Rope, Scaling) {
  const RopeConfig plain{.rotary_dim = 128, .base = 500000.0};
  const auto frequencies = rope_frequencies(plain);
  EXPECT_EQ(frequencies[0], 1.0);
  EXPECT_DOUBLE_EQ(frequencies[63], std::pow(500000.0, -126.0 / 128));

  RopeConfig linear = plain;
  linear.scaling = {.kind = RopeScaling::Kind::linear, .factor = 4.0};
  RopeConfig listed = plain;
  listed.scaling = {.kind = RopeScaling::Kind::factors, .factors = std::vector<float>(64, 2.5f)};
  RopeConfig llama3 = plain;
  llama3.scaling = {
      .kind = RopeScaling::Kind::llama3, .factor = 32.0, .low_freq_factor = 1.0, .high_freq_factor = 4.0, .original_context = 8192};
  int kept = 0, divided = 0, between = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_DOUBLE_EQ(rope_frequencies(linear)[i], frequencies[i] / 4);
    EXPECT_DOUBLE_EQ(rope_frequencies(listed)[i], frequencies[i] / 2.5);
    const double got = rope_frequencies(llama3)[i], wavelength = 6.283185307179586 / frequencies[i];
    if (wavelength < 2048)
      kept += got == frequencies[i];
    else if (wavelength > 8192)
      divided += got == frequencies[i] / 32;
    else
      between += got > frequencies[i] / 32 && got < frequencies[i];
  }
  EXPECT_EQ(kept + divided + between, 64);
  EXPECT_GT(kept, 0);
  EXPECT_GT(divided, 0);
  EXPECT_GT(between, 0);
}

TEST(Rope, SaysWhatIsWrong) {
  EXPECT_THROW(RopeTable({.rotary_dim = 0}), Error);
  EXPECT_THROW(RopeTable({.rotary_dim = 7}), Error);
  EXPECT_THROW(RopeTable({.rotary_dim = 8, .base = 0.0}), Error);
  EXPECT_THROW(RopeTable({.rotary_dim = 8, .base = std::nan("")}), Error);
  EXPECT_THROW(RopeTable({.rotary_dim = 8, .scaling = {.kind = RopeScaling::Kind::linear, .factor = 0.0}}), Error);
  EXPECT_THROW(RopeTable({.rotary_dim = 8, .scaling = {.kind = RopeScaling::Kind::factors, .factors = {1, 1, 1}}}), Error);
  EXPECT_THROW(RopeTable({.rotary_dim = 8, .scaling = {.kind = RopeScaling::Kind::factors, .factors = {1, 0, 1, 1}}}), Error);
  EXPECT_THROW(RopeTable({.rotary_dim = 8, .scaling = {.kind = RopeScaling::Kind::llama3, .low_freq_factor = 4, .high_freq_factor = 4}}),
               Error);

  RopeTable table({.rotary_dim = 16});
  table.reserve(4);
  std::vector<float> x(32);
  const int inside = 3, outside = table.positions(), negative = -1;
  EXPECT_NO_THROW(rotate({x.data(), 1, 32}, 16, &inside, table));
  EXPECT_THROW(rotate({x.data(), 1, 32}, 16, &outside, table), Error);
  EXPECT_THROW(rotate({x.data(), 1, 32}, 16, &negative, table), Error);
  EXPECT_THROW(rotate({x.data(), 1, 32}, 8, &inside, table), Error);
  EXPECT_THROW(rotate({x.data(), 1, 30}, 16, &inside, table), Error);
}

}  // namespace
}  // namespace vernier::ops
