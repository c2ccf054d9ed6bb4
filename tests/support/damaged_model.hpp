// A model with one weight that is no number.
#pragma once

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "common/io/checkpoint.hpp"

namespace vernier::test {

/// Copies the model of folder `from` to `to`, with a NaN at (row, col) of `tensor`, which is stored in f16.
inline void copy_with_nan(const std::string& from, const std::string& to, const std::string& tensor, int row, int col) {
  const io::Checkpoint model = io::open_checkpoint(from);
  const io::StoredTensor& stored = model.shape(tensor);
  if (stored.type != io::StorageType::f16) throw std::runtime_error(tensor + " is not stored in f16");
  const io::MappedFile& file = model.file_of(tensor);
  const std::ptrdiff_t start = stored.data - file.bytes().data();
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  const std::filesystem::path copied = std::filesystem::path(to) / std::filesystem::path(file.path()).filename();
  std::filesystem::permissions(copied, std::filesystem::perms::owner_write, std::filesystem::perm_options::add);
  std::fstream out(copied, std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(start + 2 * (static_cast<std::ptrdiff_t>(row) * stored.cols + col));
  out.write("\x00\x7e", 2);
}

}  // namespace vernier::test
