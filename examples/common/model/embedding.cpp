#include "common/model/embedding.hpp"

#include <cstdint>

#include "vernier/core/error.hpp"
#include "vernier/ops/elementwise.hpp"

namespace vernier::model {

double Embedding::row_bytes() const {
  return matrix_ ? static_cast<double>(matrix_->bytes()) / matrix_->n() : static_cast<double>(rows_->row_bytes());
}

void Embedding::look_up(std::span<const int> ids, MatrixView<float> out, cpu::ThreadPool* pool) const {
  if (matrix_) return ops::embed(matrix_->view(), ids.data(), out, pool);
  expect(out.cols == rows_->cols(), "vernier::model::Embedding", "out has ", out.cols, " columns, expected ", rows_->cols());
  const auto read = [&](std::int64_t i) { rows_->read(ids[static_cast<std::size_t>(i)], out.row(static_cast<int>(i))); };
  constexpr int rows_per_wake = 4;  // a row costs a few microseconds, as waking a worker does
  if (pool != nullptr && out.rows > rows_per_wake) return pool->for_each(out.rows, read);
  for (int i = 0; i < out.rows; ++i) read(i);
}

}  // namespace vernier::model
