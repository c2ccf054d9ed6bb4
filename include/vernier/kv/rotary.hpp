// Rotary position embedding as the cache and attention apply it: a view of somebody's table of cosines and sines, and the rotation of rows.
// The table itself, with the kinds of scaling, is made in ops/rope.hpp.
#pragma once

#include <cstddef>
#include <span>

#include "vernier/core/error.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/kv/cache.hpp"

namespace vernier {

/// Cosines and sines of `half` angles for each position, in the 'halves' layout: elements i and i + half of a head are a pair, and
/// elements from 2 * half on are not turned. half = 0 turns nothing.
struct RotaryView {
  const float* cos = nullptr;  // (positions, half), rows `stride` apart
  const float* sin = nullptr;  // (positions, half), rows `stride` apart
  int positions = 0;
  int half = 0;
  std::ptrdiff_t stride = 0;  // elements from one position to the next

  const float* cos_row(int position) const { return cos + position * stride; }
  const float* sin_row(int position) const { return sin + position * stride; }
};

/// The view of a table with cos(position), sin(position), half() and positions(), such as ops::RopeTable.
template <class Table>
RotaryView rotary_view(const Table& table) {
  if (table.positions() == 0) return {nullptr, nullptr, 0, table.half(), 0};
  return {table.cos(0), table.sin(0), table.positions(), table.half(), table.positions() > 1 ? table.cos(1) - table.cos(0) : 0};
}

namespace detail {

/// out = in, turned to the position whose angles are given. (head_dim) each; they may be the same.
inline void rotate_halves(const float* in, float* out, int head_dim, int half, const float* cos, const float* sin) {
  for (int i = 0; i < half; ++i) {
    const float a = in[i], b = in[i + half];
    out[i] = a * cos[i] - b * sin[i];
    out[i + half] = b * cos[i] + a * sin[i];
  }
  for (int i = 2 * half; i < head_dim; ++i) out[i] = in[i];
}

inline void expect_rotary(const char* where, const RotaryView& rotary, int head_dim, std::span<const KvChunk> batch) {
  expect(rotary.half >= 0 && 2 * rotary.half <= head_dim, where, "the rotary table turns ", 2 * rotary.half,
         " elements, but head_dim = ", head_dim);
  for (const KvChunk& chunk : batch) {
    const long long last = static_cast<long long>(chunk.first) + chunk.count - 1;
    expect(rotary.half == 0 || (chunk.first >= 0 && last < rotary.positions), where, "position ", last,
           " is not in the rotary table, which has ", rotary.positions);
  }
}

/// The number of token rows of a batch.
inline int batch_rows(std::span<const KvChunk> batch) {
  int rows = 0;
  for (const KvChunk& chunk : batch) rows += chunk.count;
  return rows;
}

}  // namespace detail

/// Turns q in place for the positions of the batch. q: (tokens, heads * head_dim), rows in the order of the batch. Throws Error when the
/// shapes disagree or a position is not in the table.
inline void rotate(cpu::ThreadPool& pool, MatrixView<float> q, int head_dim, std::span<const KvChunk> batch, const RotaryView& rotary) {
  constexpr const char* where = "vernier::rotate";
  expect(head_dim > 0 && q.cols % head_dim == 0, where, "q has ", q.cols, " columns, not a multiple of head_dim = ", head_dim);
  expect(q.rows == detail::batch_rows(batch), where, "q has ", q.rows, " rows, but the batch has ", detail::batch_rows(batch), " tokens");
  detail::expect_rotary(where, rotary, head_dim, batch);
  if (rotary.half == 0) return;
  int row = 0;
  for (const KvChunk& chunk : batch) {
    const auto rows = [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const int position = chunk.first + static_cast<int>(i);
        float* const x = q.row(row + static_cast<int>(i));
        for (int at = 0; at < q.cols; at += head_dim)
          detail::rotate_halves(x + at, x + at, head_dim, rotary.half, rotary.cos_row(position), rotary.sin_row(position));
      }
    };
    // A few tokens are done before a second thread has woken up.
    if (chunk.count >= 16)
      pool.for_ranges(chunk.count, rows);
    else
      rows(0, chunk.count);
    row += chunk.count;
  }
}

}  // namespace vernier
