// Rows that are read when they are asked for: the values of the checkpoint, from a file that may be renamed, removed or cut short
// meanwhile.
#include "common/io/stored_rows.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/io/blocks.hpp"
#include "support/files.hpp"
#include "support/safetensors_writer.hpp"
#include "vernier/core/error.hpp"
#include "vernier/cpu/parallel.hpp"

namespace vernier {
namespace {

constexpr int num_rows = 5;

/// Bytes that no type reads as infinity or NaN: exponents keep a zero in front.
std::string harmless_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  std::uint64_t state = 1;
  for (char& byte : bytes) byte = static_cast<char>((state = state * 6364136223846793005u + 1442695040888963407u) >> 58);
  return bytes;
}

/// A matrix of num_rows rows behind `gap` other bytes of a file.
struct Matrix {
  Matrix(io::StorageType type, int cols, std::size_t gap)
      : bytes(harmless_bytes(gap + num_rows * io::stored_bytes(type, static_cast<std::size_t>(cols)))), path(folder.write("a", bytes)) {
    file.emplace(path);
    tensor = {.name = "m", .type = type, .rows = num_rows, .cols = cols, .data = file->bytes().data() + gap};
  }

  std::vector<float> expected() const {
    std::vector<float> all(static_cast<std::size_t>(num_rows) * static_cast<std::size_t>(tensor.cols));
    io::decode_blocks(tensor.type, tensor.data, all.data(), all.size());
    return all;
  }

  test::TemporaryFolder folder;
  std::string bytes, path;
  std::optional<io::MappedFile> file;
  io::StoredTensor tensor;
};

std::vector<float> read_all(const io::StoredRows& rows, cpu::ThreadPool& pool) {
  std::vector<float> out(static_cast<std::size_t>(rows.rows()) * static_cast<std::size_t>(rows.cols()));
  pool.for_each(rows.rows(), [&](std::int64_t row) { rows.read(static_cast<int>(row), out.data() + row * rows.cols()); });
  return out;
}

std::string words_of(const io::StoredRows& rows, int row) {
  std::vector<float> out(static_cast<std::size_t>(rows.cols()));
  try {
    rows.read(row, out.data());
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(StoredRows, EveryTypeReadsAsTheCheckpointDoes) {
  cpu::ThreadPool pool(3);
  for (std::uint32_t number = 0; number < 64; ++number) {
    const auto type = io::storage_type(number);
    if (!type) continue;
    for (const int cols : {256, 256 * 90}) {  // the second is read in several pieces, the last of them short
      const Matrix matrix(*type, cols, 100);
      const io::StoredRows rows(*matrix.file, matrix.tensor);
      EXPECT_EQ(rows.row_bytes(), io::stored_bytes(*type, static_cast<std::size_t>(cols)));
      EXPECT_EQ(read_all(rows, pool), matrix.expected()) << io::layout_of(*type).name << " " << cols;
    }
  }
}

TEST(StoredRows, OutliveTheMappingAndTheName) {
  Matrix matrix(io::StorageType::bf16, 64, 32);
  const std::vector<float> expected = matrix.expected();
  const io::StoredRows rows(*matrix.file, matrix.tensor);
  matrix.file.reset();
  std::filesystem::remove(matrix.path);
  matrix.folder.write("a", "somebody else");
  cpu::ThreadPool pool(1);
  EXPECT_EQ(read_all(rows, pool), expected);
}

TEST(StoredRows, AFileCutShortIsAnErrorOfItsLastRowsAlone) {
  const Matrix matrix(io::StorageType::f16, 64, 0);
  const io::StoredRows rows(*matrix.file, matrix.tensor);
  std::filesystem::resize_file(matrix.path, 3 * 128 + 5);
  EXPECT_EQ(words_of(rows, 2), "no error");
  EXPECT_EQ(words_of(rows, 3), matrix.path +
                                   ": row 3 of \"m\" can no longer be read: Input/output error; the file must not be changed while it "
                                   "is used");
}

TEST(StoredRows, RefuseWhatIsNoNumberAndWhatIsNotThere) {
  const test::TemporaryFolder folder;
  std::string bytes(num_rows * 64, '\0');
  bytes[2 * 64 + 63] = 0x7c;                           // infinity, the last value of row 2
  bytes[4 * 64] = '\x01', bytes[4 * 64 + 1] = '\xfc';  // NaN, the first of row 4
  const io::MappedFile file(folder.write("a", bytes));
  const io::StoredTensor tensor{.name = "m", .type = io::StorageType::f16, .rows = num_rows, .cols = 32, .data = file.bytes().data()};
  const io::StoredRows rows(file, tensor);
  for (const int row : {0, 1, 3}) EXPECT_EQ(words_of(rows, row), "no error");
  for (const int row : {2, 4}) EXPECT_NE(words_of(rows, row).find("holds infinity or NaN"), std::string::npos) << row;
  for (const int row : {-1, num_rows}) EXPECT_NE(words_of(rows, row).find("which has 5"), std::string::npos) << row;

  io::StoredTensor outside = tensor;
  outside.rows = num_rows + 1;
  EXPECT_THROW(io::StoredRows(file, outside), Error);
  outside = tensor;
  outside.data = nullptr;
  EXPECT_THROW(io::StoredRows(file, outside), Error);
  outside = tensor;
  outside.paired_head = 8;
  EXPECT_THROW(io::StoredRows(file, outside), Error);
}

TEST(StoredRows, FindTheirShard) {
  const test::TemporaryFolder folder;
  test::SafetensorsWriter all = test::small_tensors(), first, second;
  std::string map;
  for (std::size_t i = 0; i < all.tensors.size(); ++i) {
    (i % 2 == 0 ? first : second).tensors.push_back(all.tensors[i]);
    map += (i == 0 ? "\"" : ", \"") + all.tensors[i].name + "\": \"" + (i % 2 == 0 ? "a" : "b") + ".safetensors\"";
  }
  folder.write("config.json", test::small_config());
  folder.write("a.safetensors", first.bytes());
  folder.write("b.safetensors", second.bytes());
  folder.write("model.safetensors.index.json", "{\"weight_map\": {" + map + "}}");
  const io::Checkpoint model = io::open_checkpoint(folder.path());
  cpu::ThreadPool pool(1);
  for (const io::StoredTensor& tensor : model.tensors()) {
    const io::StoredRows rows(model.file_of(tensor.name), tensor);
    EXPECT_EQ(read_all(rows, pool), model.read(tensor.name)) << tensor.name;
  }
  EXPECT_THROW(model.file_of("no.such.tensor"), Error);
}

}  // namespace
}  // namespace vernier
