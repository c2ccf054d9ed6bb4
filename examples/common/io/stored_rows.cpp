// See stored_rows.hpp. A row is read in pieces of whole blocks, so that the memory for its codes has a fixed size.
#include "common/io/stored_rows.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/io/blocks.hpp"
#include "common/io/names.hpp"
#include "vernier/core/error.hpp"

namespace vernier::io {
namespace {

constexpr std::size_t piece_bytes = std::size_t{1} << 14;

bool all_finite(const float* values, int count) {
  constexpr std::uint32_t exponent = 0x7f800000;
  std::uint32_t found = 0;
  for (int i = 0; i < count; ++i) found |= (std::bit_cast<std::uint32_t>(values[i]) & exponent) == exponent ? 1u : 0u;
  return found == 0;
}

}  // namespace

StoredRows::StoredRows(const MappedFile& file, const StoredTensor& tensor)
    : path_(file.path()),
      name_(tensor.name),
      type_(tensor.type),
      rows_(tensor.rows),
      cols_(tensor.cols),
      row_bytes_(stored_bytes(tensor.type, static_cast<std::size_t>(tensor.cols))) {
  const auto start = reinterpret_cast<std::uintptr_t>(file.bytes().data()), data = reinterpret_cast<std::uintptr_t>(tensor.data);
  offset_ = data - start;
  const bool inside = data >= start && offset_ + static_cast<std::uint64_t>(rows_) * row_bytes_ <= file.size();
  expect(inside && tensor.paired_head == 0, path_, "the rows of ", quoted(name_), " are not in this file, or not in its order");
  fd_ = ::dup(file.descriptor());
  if (fd_ < 0) fail(path_, "cannot be kept open: ", std::strerror(errno));
}

StoredRows::~StoredRows() { ::close(fd_); }

void StoredRows::read(int row, float* out) const {
  expect(row >= 0 && row < rows_, path_, "row ", row, " was asked of ", quoted(name_), ", which has ", rows_);
  const StorageLayout layout = layout_of(type_);
  const auto block_bytes = static_cast<std::size_t>(layout.block_bytes);
  std::byte codes[piece_bytes];
  std::uint64_t offset = offset_ + static_cast<std::uint64_t>(row) * row_bytes_;
  float* to = out;
  for (std::size_t left = row_bytes_; left != 0;) {
    const std::size_t bytes = std::min(left, piece_bytes / block_bytes * block_bytes);
    if (const int error = read_at(fd_, codes, bytes, offset))
      fail(path_, "row ", row, " of ", quoted(name_), " can no longer be read: ", std::strerror(error),
           "; the file must not be changed while it is used");
    const std::size_t values = bytes / block_bytes * static_cast<std::size_t>(layout.block_values);
    decode_blocks(type_, codes, to, values);
    to += values, offset += bytes, left -= bytes;
  }
  expect(all_finite(out, cols_), path_, "row ", row, " of ", quoted(name_), " holds infinity or NaN");
}

}  // namespace vernier::io
