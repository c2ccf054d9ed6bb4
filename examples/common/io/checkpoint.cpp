// The table of tensors, its check against the config, and reading.
#include "common/io/checkpoint.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <utility>

#include "common/io/blocks.hpp"
#include "common/io/gguf_names.hpp"
#include "common/io/names.hpp"
#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"

namespace vernier::io {

namespace {

// In messages tensors have the names that they have in the file.
void check_tensors(const CheckpointParts& parts) {
  const std::string& path = parts.path;
  const model::ModelConfig& config = parts.config;
  const std::vector<StoredTensor>& tensors = parts.tensors;
  const auto shown = [&](const std::string& name) { return quoted(parts.gguf ? gguf_name(name) : name); };
  std::vector<model::TensorSpec> expected = model::expected_tensors(config);
  std::sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto fail_extra = [&](const StoredTensor& tensor) {
    fail(path, "the tensor ", shown(tensor.name), " is not part of a ", config.architecture, " model with ", config.layers, " layer(s)",
         config.tied_embeddings ? " and tied embeddings" : "");
  };
  std::size_t at = 0;
  for (const model::TensorSpec& spec : expected) {
    if (at < tensors.size() && tensors[at].name < spec.name) fail_extra(tensors[at]);
    if (at == tensors.size() || tensors[at].name != spec.name) {
      fail(path, "the tensor ", shown(spec.name), " (", spec.rows, " x ", spec.cols, ") is missing");
    }
    const StoredTensor& tensor = tensors[at++];
    if (tensor.rows != spec.rows || tensor.cols != spec.cols) {
      fail(path, "the tensor ", shown(tensor.name), " is ", tensor.rows, " x ", tensor.cols, ", expected ", spec.rows, " x ", spec.cols,
           " from the config");
    }
  }
  if (at < tensors.size()) fail_extra(tensors[at]);
}

// Where row `row` of the Hugging Face order lies in a file that interleaves the halves of each head.
int paired_row(int row, int head_dim) {
  const int in_head = row % head_dim, half = head_dim / 2;
  return row - in_head + 2 * (in_head % half) + in_head / half;
}

}  // namespace

Checkpoint::Checkpoint(CheckpointParts parts) : parts_(std::move(parts)) {
  std::sort(parts_.tensors.begin(), parts_.tensors.end(), [](const StoredTensor& a, const StoredTensor& b) { return a.name < b.name; });
  model::check(parts_.config, parts_.path);
  check_tensors(parts_);
}

void Checkpoint::advise_streaming() const {
  for (const MappedFile* file : files()) file->advise_streaming();
}

bool Checkpoint::in_memory() const {
  const std::vector<const MappedFile*> all = files();
  return std::all_of(all.begin(), all.end(), [](const MappedFile* file) { return file->in_memory(); });
}

std::vector<const MappedFile*> Checkpoint::files() const {
  if (parts_.gguf) return {&parts_.gguf->file()};
  std::vector<const MappedFile*> files;
  for (const MappedFile& file : parts_.files) files.push_back(&file);
  return files;
}

const StoredTensor* Checkpoint::find(std::string_view name) const {
  const auto& all = parts_.tensors;
  const auto it = std::lower_bound(all.begin(), all.end(), name, [](const StoredTensor& t, std::string_view n) { return t.name < n; });
  return it != all.end() && it->name == name ? &*it : nullptr;
}

const StoredTensor& Checkpoint::shape(std::string_view name) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) fail(path(), "there is no tensor ", quoted(name));
  return *tensor;
}

/// Null where the tensor is in no file.
const MappedFile* Checkpoint::find_file(const StoredTensor& tensor) const {
  const std::less_equal<> before;
  for (const MappedFile* file : files())
    if (before(file->bytes().data(), tensor.data) && !before(file->bytes().data() + file->size(), tensor.data)) return file;
  return nullptr;
}

const MappedFile& Checkpoint::file_of(std::string_view name) const {
  const MappedFile* file = find_file(shape(name));
  expect(file != nullptr, path(), "the tensor ", quoted(name), " is in none of the files");
  return *file;
}

const StoredTensor& Checkpoint::checked_rows(std::string_view name, int first_row, int rows, int cols) const {
  const StoredTensor& tensor = shape(name);
  if (first_row < 0 || rows < 0 || rows > tensor.rows - first_row || cols != tensor.cols) {
    fail(path(), "rows ", first_row, " to ", static_cast<long long>(first_row) + rows, " of ", cols, " values were asked of ", quoted(name),
         ", which is ", tensor.rows, " x ", tensor.cols);
  }
  return tensor;
}

RawRows Checkpoint::stored_rows(std::string_view name, int first_row, int rows, Buffer<std::byte>& memory) const {
  constexpr std::size_t line = 64;
  const StoredTensor& tensor = checked_rows(name, first_row, rows, shape(name).cols);
  const std::size_t row_bytes = stored_bytes(tensor.type, static_cast<std::size_t>(tensor.cols));
  const std::size_t stride = (ceil_div(row_bytes, line) | 1u) * line;
  memory.reserve_discard(static_cast<std::size_t>(tensor.paired_head == 0 ? rows : 2 * rows) * stride);
  const MappedFile* file = find_file(tensor);
  const auto read = [&](int row, int count, std::byte* to) {
    const std::byte* from = tensor.data + static_cast<std::size_t>(row) * row_bytes;
    if (file == nullptr) {
      for (int i = 0; i < count; ++i, from += row_bytes, to += stride) std::memcpy(to, from, row_bytes);
    } else if (const int error = read_rows_at(file->descriptor(), {to, row_bytes, stride, count},
                                              static_cast<std::uint64_t>(from - file->bytes().data()))) {
      fail(file->path(), quoted(name), " can no longer be read: ", std::strerror(error), "; the file must not be changed while it is used");
    }
  };
  if (tensor.paired_head == 0) {
    read(first_row, rows, memory.data());
    return {memory.data(), stride};
  }
  const int half = tensor.paired_head / 2, in_half = first_row % half;
  if (in_half + rows <= half) {  // every other one: in one piece with those between them, which costs less than a call for each
    const int first = paired_row(first_row, tensor.paired_head), second_half = first_row % tensor.paired_head / half;
    read(first - second_half, 2 * rows, memory.data());
    return {memory.data() + static_cast<std::size_t>(second_half) * stride, 2 * stride};
  }
  for (int i = 0; i < rows; ++i)
    read(paired_row(first_row + i, tensor.paired_head), 1, memory.data() + static_cast<std::size_t>(i) * stride);
  return {memory.data(), stride};
}

void Checkpoint::read_rows(std::string_view name, int first_row, MatrixView<float> out) const {
  const StoredTensor& tensor = checked_rows(name, first_row, out.rows, out.cols);
  const auto cols = static_cast<std::size_t>(tensor.cols);
  const std::size_t row_bytes = stored_bytes(tensor.type, cols);
  if (tensor.paired_head != 0 && tensor.rows == 1 && out.rows == 1) {  // a bias: its elements are what a matrix has as rows
    std::vector<float> row(cols);
    decode_blocks(tensor.type, tensor.data, row.data(), cols);
    for (int i = 0; i < tensor.cols; ++i) out.data[i] = row[static_cast<std::size_t>(paired_row(i, tensor.paired_head))];
    return;
  }
  if (tensor.paired_head == 0 && out.stride == out.cols) {
    decode_blocks(tensor.type, tensor.data + static_cast<std::size_t>(first_row) * row_bytes, out.data,
                  static_cast<std::size_t>(out.rows) * cols);
    return;
  }
  for (int i = 0; i < out.rows; ++i) {
    const int row = tensor.paired_head != 0 ? paired_row(first_row + i, tensor.paired_head) : first_row + i;
    decode_blocks(tensor.type, tensor.data + static_cast<std::size_t>(row) * row_bytes, out.row(i), cols);
  }
}

std::vector<float> Checkpoint::read(std::string_view name) const {
  const StoredTensor& tensor = shape(name);
  std::vector<float> values(static_cast<std::size_t>(tensor.rows) * static_cast<std::size_t>(tensor.cols));
  read_rows(name, 0, {values.data(), tensor.rows, tensor.cols});
  return values;
}

Checkpoint open_checkpoint(const std::string& path) {
  struct stat status {};
  const bool folder = ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  return Checkpoint(folder ? read_folder_checkpoint(path) : read_gguf_checkpoint(path));
}

}  // namespace vernier::io
