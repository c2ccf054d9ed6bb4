// Rotation of q, against the definition in double, for whole and partial heads and for the table of ops.
#include "vernier/kv/rotary.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/kv.hpp"
#include "vernier/ops/rope.hpp"

namespace vernier {
namespace {

struct Table {
  int half, positions;
  std::vector<float> cos, sin;
  Table(int half_, int positions_) : half(half_), positions(positions_) {
    for (int p = 0; p < positions; ++p)
      for (int i = 0; i < half; ++i) {
        const double angle = p * std::pow(10000.0, -static_cast<double>(i) / half);
        cos.push_back(static_cast<float>(std::cos(angle)));
        sin.push_back(static_cast<float>(std::sin(angle)));
      }
  }
  RotaryView view() const { return {cos.data(), sin.data(), positions, half, half}; }
};

TEST(Rotary, TurnsPairsOfHalvesByTheAngleOfTheirPosition) {
  for (int half : {4, 12, 2, 0}) {  // whole heads, then a part of each
    const int dim = half == 12 ? 24 : 8, heads = 3, rows = 2 + 40;
    const Table table(half, 200);
    const KvChunk batch[] = {{{}, 150, 2}, {{}, 7, 40}};
    const auto before = test::normal(static_cast<std::size_t>(rows * heads * dim), 5);
    for (int threads : {1, 3}) {
      cpu::ThreadPool pool(threads);
      std::vector<float> q = before;
      rotate(pool, {q.data(), rows, heads * dim}, dim, batch, table.view());
      test::Worst worst;
      for (int row = 0; row < rows; ++row) {
        const int position = row < 2 ? 150 + row : 7 + row - 2;
        for (int i = 0; i < heads * dim; ++i) {
          const int in_head = i % dim, pair = in_head % std::max(half, 1), at = row * heads * dim + i;
          const auto x = [&](int offset) { return static_cast<double>(before[static_cast<std::size_t>(at + offset)]); };
          const double c = half == 0 ? 1 : static_cast<double>(table.cos[static_cast<std::size_t>(position * half + pair)]);
          const double s = half == 0 ? 0 : static_cast<double>(table.sin[static_cast<std::size_t>(position * half + pair)]);
          double want = x(0), size = std::abs(x(0));
          if (in_head < half)
            want = x(0) * c - x(half) * s, size += std::abs(x(half));
          else if (in_head < 2 * half)
            want = x(0) * c + x(-half) * s, size += std::abs(x(-half));
          // Two products and a sum, each rounded once.
          worst.add(static_cast<std::size_t>(at), want, static_cast<double>(q[static_cast<std::size_t>(at)]),
                    half == 0 ? 0 : size * 0x1p-23);
        }
      }
      EXPECT_LE(worst.excess, 0) << "half " << half << ": " << worst.text();
    }
  }
}

TEST(Rotary, ViewsTheTableOfOps) {
  ops::RopeTable table(ops::RopeConfig{.rotary_dim = 8, .base = 10000.0});
  table.reserve(300);
  const RotaryView view = rotary_view(table);
  EXPECT_EQ(view.half, 4);
  EXPECT_GE(view.positions, 300);
  for (int position : {0, 1, 17, 299})
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(view.cos_row(position)[i], table.cos(position)[i]);
      EXPECT_EQ(view.sin_row(position)[i], table.sin(position)[i]);
    }
}

TEST(Rotary, NamesWhatDoesNotFit) {
  const Table table(4, 10);
  cpu::ThreadPool pool(1);
  std::vector<float> q(64);
  const KvChunk batch[] = {{{}, 5, 2}};
  const auto message = [&](MatrixView<float> view, int dim, const KvChunk& chunk) {
    return test::error_of([&] { rotate(pool, view, dim, {&chunk, 1}, table.view()); });
  };
  EXPECT_EQ(message({q.data(), 2, 12}, 8, batch[0]), "vernier::rotate: q has 12 columns, not a multiple of head_dim = 8");
  EXPECT_EQ(message({q.data(), 3, 8}, 8, batch[0]), "vernier::rotate: q has 3 rows, but the batch has 2 tokens");
  EXPECT_EQ(message({q.data(), 2, 6}, 6, batch[0]), "vernier::rotate: the rotary table turns 8 elements, but head_dim = 6");
  EXPECT_EQ(message({q.data(), 2, 8}, 8, {{}, 9, 2}), "vernier::rotate: position 10 is not in the rotary table, which has 10");
}

}  // namespace
}  // namespace vernier
