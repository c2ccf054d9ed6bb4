// How the row-wise operations spread over a pool. Each row is computed by one worker alone, so threads never change a result.
#pragma once

#include <cstdint>
#include <string_view>

#include "vernier/core/error.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cpu/parallel.hpp"

namespace vernier::ops::detail {

/// Elements below which waking a worker costs more than it saves: a few microseconds of vectorised work.
inline constexpr std::int64_t elements_per_wake = 16384;

/// Calls f(row) for each of `rows` rows of `cols` elements; on the pool when there is one and the work is worth it.
template <class F>
void for_rows(cpu::ThreadPool* pool, int rows, int cols, F&& f) {
  if (pool == nullptr || pool->size() == 1 || rows < 2 || static_cast<std::int64_t>(rows) * cols < elements_per_wake) {
    for (int row = 0; row < rows; ++row) f(row);
    return;
  }
  pool->for_ranges(rows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) f(static_cast<int>(row));
  });
}

/// Throws Error unless both views have the same shape.
template <class A, class B>
void expect_same_shape(std::string_view where, MatrixView<A> a, MatrixView<B> b) {
  expect(a.rows == b.rows && a.cols == b.cols, where, "shapes (", a.rows, ", ", a.cols, ") and (", b.rows, ", ", b.cols,
         ") differ, expected equal");
}

}  // namespace vernier::ops::detail
