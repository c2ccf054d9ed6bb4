// One tensor of a checkpoint into a packed matrix, on all threads, or into single panels.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/io/checkpoint.hpp"
#include "vernier/core/buffer.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/layout/panel_source.hpp"

namespace vernier::model {

/// Holds the memory in which each thread has its slice of a tensor in float, so that reading a model allocates and clears it once.
class TensorQuantizer {
 public:
  /// Neither is owned.
  TensorQuantizer(const io::Checkpoint& checkpoint, cpu::ThreadPool& pool)
      : checkpoint_(&checkpoint), pool_(&pool), slices_(static_cast<std::size_t>(pool.size())) {}

  /// Fills `out`, which has the tensor's shape. Codes of 16 bits that are stored in out's format are copied. Throws Error as the checkpoint
  /// and the quantiser do, naming file and tensor.
  void fill(std::string_view name, PackedMatrix& out) { fill_rows(name, out, 0, out.n()); }

  /// The same for rows [first_row, first_row + rows), multiples of 128 but for the last. A scale per tensor needs all rows at once.
  void fill_rows(std::string_view name, PackedMatrix& out, int first_row, int rows);

  /// Throws Error where a pool of `count` threads cannot make panels, for it is larger than this one's.
  void expect_workers(int count) const;
  /// Fills `out` with panel `index` of the tensor, for the thread that is number `worker` of the pool.
  void make_panel(std::string_view name, int index, PackedMatrix& out, int worker);

 private:
  /// Rows of a tensor, and where in a matrix they go.
  struct Slice {
    int first_row = 0, rows = 0;
    int out_row = 0;
  };
  /// What a thread reads them into.
  struct Memory {
    Buffer<std::byte> stored;
    Buffer<float> values;
  };
  void fill_slice(std::string_view name, PackedMatrix& out, const Slice& slice, Memory& memory);
  void fill_at_once(std::string_view name, PackedMatrix& out);

  const io::Checkpoint* checkpoint_;
  cpu::ThreadPool* pool_;
  std::vector<Memory> slices_;  // one a share
};

/// The panels of a tensor that stays in the model's file.
class StoredPanels final : public PanelSource {
 public:
  /// The quantizer is not owned.
  StoredPanels(TensorQuantizer& quantizer, std::string_view name) : quantizer_(&quantizer), name_(name) {}

  void expect_workers(int count) const override { quantizer_->expect_workers(count); }
  void make(int index, PackedMatrix& out, int worker) const override { quantizer_->make_panel(name_, index, out, worker); }

 private:
  TensorQuantizer* quantizer_;
  std::string name_;
};

}  // namespace vernier::model
