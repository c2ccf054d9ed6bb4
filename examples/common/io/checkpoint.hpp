// A model's weights and config, wherever they are stored. Names and shapes are always Hugging Face's, so nothing behind this border
// knows the difference: GGUF names are mapped ("blk.0.attn_q.weight" is "model.layers.0.self_attn.q_proj.weight"), and where GGUF
// keeps q and k with interleaved rotary pairs (architecture llama) their rows are put back into halves: row 2i + j of a head in the
// file is row j * head_dim / 2 + i here. Opening checks every shape against the config, so reading cannot run out of the files.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/io/gguf.hpp"
#include "common/io/mapped_file.hpp"
#include "common/io/storage_type.hpp"
#include "common/model/config.hpp"
#include "vernier/core/buffer.hpp"
#include "vernier/core/matrix_view.hpp"

namespace vernier::io {

/// A tensor of the model and where it lies. Vectors have one row.
struct StoredTensor {
  std::string name;
  StorageType type = StorageType::f32;
  int rows = 0;
  int cols = 0;
  const std::byte* data = nullptr;  // rows follow each other without gaps
  int paired_head = 0;              // head size if the file interleaves the rotary pairs of each head, else 0
};

/// Rows of a tensor that were read: an odd number of cache lines apart, or twice an odd number, so that those of many rows do not compete
/// for one place in a cache.
struct RawRows {
  const std::byte* data = nullptr;
  std::size_t stride = 0;  // bytes
};

/// What a reader of a file format hands over; see Checkpoint.
struct CheckpointParts {
  std::string path;
  model::ModelConfig config;
  std::unique_ptr<Gguf> gguf;     // for GGUF
  std::vector<MappedFile> files;  // for Hugging Face folders; StoredTensor::data points into them
  std::vector<StoredTensor> tensors;
};

/// Owns the mapped files. Const methods are thread-safe: a loader may read slices on all threads at once.
class Checkpoint {
 public:
  /// Checks the tensors against the config: each that expected_tensors() names must be there with its shape, and no other.
  explicit Checkpoint(CheckpointParts parts);

  /// As given to open_checkpoint().
  const std::string& path() const { return parts_.path; }
  const model::ModelConfig& config() const { return parts_.config; }
  /// The files with weights, in a fixed order.
  std::vector<const MappedFile*> files() const;

  /// Tells the system that all tensors are about to be read.
  void advise_streaming() const;
  /// Whether reading them needs no disk.
  bool in_memory() const;

  /// Sorted by name.
  std::span<const StoredTensor> tensors() const { return parts_.tensors; }
  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// The tensor `name`, or null.
  const StoredTensor* find(std::string_view name) const;
  /// The tensor `name`; throws Error if there is none.
  const StoredTensor& shape(std::string_view name) const;

  /// Decodes rows [first_row, first_row + out.rows) of `name` to float. Throws Error if the rows or out.cols do not fit the tensor.
  /// Allocates nothing, except for an interleaved bias.
  void read_rows(std::string_view name, int first_row, MatrixView<float> out) const;

  /// Rows [first_row, first_row + rows) of `name` as they are stored, in `memory`, read anew: touching a mapping costs the system as much
  /// as copying, and once more when it goes. Throws Error if they do not fit the tensor, or the file can no longer be read.
  RawRows stored_rows(std::string_view name, int first_row, int rows, Buffer<std::byte>& memory) const;

  /// The file with the tensor `name`, for who reads its rows later (stored_rows.hpp). Throws Error if there is no such tensor.
  const MappedFile& file_of(std::string_view name) const;

  /// A whole vector, or a whole matrix in row-major order.
  std::vector<float> read(std::string_view name) const;

  /// The GGUF file, for its tokenizer and template; null for a Hugging Face folder, where those are files beside the weights.
  const Gguf* gguf() const { return parts_.gguf.get(); }

 private:
  const StoredTensor& checked_rows(std::string_view name, int first_row, int rows, int cols) const;
  const MappedFile* find_file(const StoredTensor& tensor) const;

  CheckpointParts parts_;
};

/// Opens a GGUF file, or a Hugging Face folder with config.json and safetensors. Throws Error naming the file, the field, the value and
/// what was expected.
Checkpoint open_checkpoint(const std::string& path);

/// The two readers behind open_checkpoint().
CheckpointParts read_gguf_checkpoint(const std::string& path);
CheckpointParts read_folder_checkpoint(const std::string& path);

}  // namespace vernier::io
