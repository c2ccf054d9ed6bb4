// A model's embedding. A token needs one row of it, so it is not held in memory: rows are read from the model's file, with the values that
// they have there. Only where a plan gives it a format with scales is it a matrix like the others.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "common/io/stored_rows.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/layout/packed_matrix.hpp"

namespace vernier::model {

class Embedding {
 public:
  Embedding() = default;
  /// (vocab, hidden), packed.
  Embedding(std::shared_ptr<const PackedMatrix> matrix) : matrix_(std::move(matrix)) {}
  /// (vocab, hidden), in a file.
  explicit Embedding(std::shared_ptr<const io::StoredRows> rows) : rows_(std::move(rows)) {}

  /// The matrix that is held in memory, or null.
  const std::shared_ptr<const PackedMatrix>& matrix() const { return matrix_; }

  /// Bytes that the lookup of one token reads.
  double row_bytes() const;

  /// out(i) = row ids[i], on the pool where that is worth it. out: (t, hidden). Throws Error when out does not have the width, an id is
  /// outside the vocabulary, or as StoredRows::read does; out may then be written in part.
  void look_up(std::span<const int> ids, MatrixView<float> out, cpu::ThreadPool* pool) const;

 private:
  std::shared_ptr<const PackedMatrix> matrix_;  // one of the two
  std::shared_ptr<const io::StoredRows> rows_;
};

}  // namespace vernier::model
