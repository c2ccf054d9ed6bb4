// Logits on disk, as NumPy reads them: float32 matrices in .npy files, version 1.0, little-endian, C order. Nothing else of the format.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>

#include "common/io/mapped_file.hpp"
#include "vernier/core/matrix_view.hpp"

namespace vernier::evaluate {

/// Writes rows of (rows, cols) as they come.
class NpyWriter {
 public:
  /// Creates the file with its header. Throws Error when it cannot be written.
  NpyWriter(const std::string& path, std::int64_t rows, int cols);

  /// Appends whole rows.
  void write(MatrixView<const float> rows);

  /// Throws Error unless all rows were written and reached the disk.
  void close();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::int64_t rows_left_;
  int cols_;
};

/// A matrix that somebody wrote, mapped into memory.
class NpyReader {
 public:
  /// Throws Error, naming the file and what was expected, unless it is a float32 matrix whose size fits the file.
  explicit NpyReader(const std::string& path);

  std::int64_t rows() const { return rows_; }
  int cols() const { return cols_; }
  std::span<const float> row(std::int64_t i) const { return {data_ + i * cols_, static_cast<std::size_t>(cols_)}; }

 private:
  io::MappedFile file_;
  std::int64_t rows_ = 0;
  int cols_ = 0;
  const float* data_ = nullptr;
};

}  // namespace vernier::evaluate
