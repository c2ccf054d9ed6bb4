// Rotary position embedding as the cache and attention of the CPU apply it: the rotation of rows. The view of the table is in
// rotary_view.hpp.
#pragma once

#include <cstdint>
#include <span>

#include "vernier/core/error.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/kv/check.hpp"
#include "vernier/kv/rotary_view.hpp"
#include "vernier/kv/sequence.hpp"

namespace vernier {

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
