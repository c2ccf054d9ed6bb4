// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0.
#include "evaluate/npy.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "vernier/core/error.hpp"

namespace vernier::evaluate {
namespace {

constexpr std::string_view magic{"\x93NUMPY\x01\x00", 8};
constexpr std::size_t prefix_bytes = 10;  // magic, version, length of the header text

/// The number after `key` in the header text, or -1.
std::int64_t number_after(std::string_view text, std::string_view key, std::string_view* rest) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return -1;
  std::string_view from = text.substr(at + key.size());
  while (!from.empty() && from.front() == ' ') from.remove_prefix(1);
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), value);
  if (error != std::errc()) return -1;
  *rest = from.substr(static_cast<std::size_t>(end - from.data()));
  return value;
}

}  // namespace

NpyWriter::NpyWriter(const std::string& path, std::int64_t rows, int cols)
    : path_(path), file_(std::fopen(path.c_str(), "wb")), rows_left_(rows), cols_(cols) {
  expect(file_ != nullptr, path, "cannot be written: ", std::string_view(std::strerror(errno)));
  std::string header = concat("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows, ", ", cols, "), }");
  while ((prefix_bytes + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string start(magic);
  start += static_cast<char>(header.size() & 255);
  start += static_cast<char>(header.size() >> 8);
  start += header;
  expect(std::fwrite(start.data(), 1, start.size(), file_.get()) == start.size(), path, "cannot be written");
}

void NpyWriter::write(MatrixView<const float> rows) {
  expect(rows.cols == cols_ && rows.rows <= rows_left_, path_, "got ", rows.rows, " x ", rows.cols, " more, expected at most ", rows_left_,
         " x ", cols_);
  for (int i = 0; i < rows.rows; ++i)
    expect(std::fwrite(rows.row(i), sizeof(float), static_cast<std::size_t>(cols_), file_.get()) == static_cast<std::size_t>(cols_), path_,
           "cannot be written: ", std::string_view(std::strerror(errno)));
  rows_left_ -= rows.rows;
}

void NpyWriter::close() {
  expect(rows_left_ == 0, path_, rows_left_, " rows are missing");
  expect(std::fclose(file_.release()) == 0, path_, "cannot be written: ", std::string_view(std::strerror(errno)));
}

NpyReader::NpyReader(const std::string& path) : file_(path) {
  const std::string_view bytes(reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size());
  expect(bytes.size() >= prefix_bytes && bytes.substr(0, magic.size()) == magic, path, "is not a NumPy file of version 1.0");
  const std::size_t header_bytes = static_cast<unsigned char>(bytes[8]) + 256u * static_cast<unsigned char>(bytes[9]);
  const std::size_t start = prefix_bytes + header_bytes;
  expect(start <= bytes.size() && start % sizeof(float) == 0, path, "header of ", header_bytes, " bytes does not fit the file");
  const std::string_view header = bytes.substr(prefix_bytes, header_bytes);
  expect(header.find("'<f4'") != std::string_view::npos && header.find("'fortran_order': False") != std::string_view::npos, path,
         "holds something else than float32 in C order");
  std::string_view rest;
  rows_ = number_after(header, "'shape': (", &rest);
  const std::int64_t cols = rows_ < 0 ? -1 : number_after(rest, ",", &rest);
  expect(rows_ > 0 && cols > 0 && cols < (1 << 28) && rest.substr(0, 1) == ")", path,
         "holds no matrix: the shape must be (positions, vocab)");
  const std::uint64_t floats = (bytes.size() - start) / sizeof(float);
  expect(static_cast<std::uint64_t>(rows_) <= floats / static_cast<std::uint64_t>(cols) &&
             static_cast<std::uint64_t>(rows_) * static_cast<std::uint64_t>(cols) * sizeof(float) == bytes.size() - start,
         path, "has ", bytes.size() - start, " bytes of data, which is not ", rows_, " x ", cols, " float32");
  cols_ = static_cast<int>(cols);
  data_ = reinterpret_cast<const float*>(bytes.data() + start);
}

}  // namespace vernier::evaluate
