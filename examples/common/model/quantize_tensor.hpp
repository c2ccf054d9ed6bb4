// One tensor of a checkpoint into a packed matrix, on all threads.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/io/checkpoint.hpp"
#include "vernier/core/buffer.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/layout/packed_matrix.hpp"

namespace vernier::model {

/// Holds the memory in which each thread has its slice of a tensor in float, so that reading a model allocates and clears it once.
class TensorQuantizer {
 public:
  /// Neither is owned.
  TensorQuantizer(const io::Checkpoint& checkpoint, cpu::ThreadPool& pool)
      : checkpoint_(&checkpoint), pool_(&pool), slices_(static_cast<std::size_t>(pool.size())) {}

  /// Fills `out`, which has the tensor's shape. Codes of 16 bits that are stored in out's format are copied. Throws Error as the checkpoint
  /// and the quantiser do, naming file and tensor.
  void fill(std::string_view name, PackedMatrix& out);

 private:
  void fill_slice(std::string_view name, PackedMatrix& out, int first_row, int rows, Buffer<float>& slice);
  void fill_at_once(std::string_view name, PackedMatrix& out);

  const io::Checkpoint* checkpoint_;
  cpu::ThreadPool* pool_;
  std::vector<Buffer<float>> slices_;  // one a share
};

}  // namespace vernier::model
