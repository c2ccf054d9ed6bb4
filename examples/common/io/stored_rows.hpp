// Rows of one matrix of a checkpoint, read from its file when they are asked for: for a matrix of which a token needs one row. The file
// stays open, but is not mapped: whoever shortens it meanwhile gets an Error, not a dead program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/io/checkpoint.hpp"

namespace vernier::io {

class StoredRows {
 public:
  /// `tensor` lies in `file`, and its rows in the order of the file (paired_head = 0). Outlives both. Throws Error when it does not, or the
  /// system has no descriptor left.
  StoredRows(const MappedFile& file, const StoredTensor& tensor);
  ~StoredRows();
  StoredRows(const StoredRows&) = delete;
  StoredRows& operator=(const StoredRows&) = delete;

  int rows() const { return rows_; }
  int cols() const { return cols_; }
  /// Bytes of a row in the file.
  std::size_t row_bytes() const { return row_bytes_; }

  /// Decodes row `row` to out: (cols). Thread-safe, allocates nothing. Throws Error, naming file, matrix and row, when there is no such
  /// row, the file has become too short or cannot be read, or a value is infinite or NaN.
  void read(int row, float* out) const;

 private:
  std::string path_, name_;
  int fd_ = -1;
  StorageType type_{};
  int rows_ = 0, cols_ = 0;
  std::uint64_t offset_ = 0;
  std::size_t row_bytes_ = 0;
};

}  // namespace vernier::io
