// Matrices that wait in the model's file: a forward multiplies them from there, panel by panel, until they are packed. What it saves at
// the start is memory: new pages cost a system longer than reading and quantising what goes into them.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/io/checkpoint.hpp"
#include "common/model/quantize_tensor.hpp"
#include "vernier/core/arena.hpp"
#include "vernier/layout/packed_matrix.hpp"

namespace vernier::model {

/// Packs the matrices of a tier, piece by piece, in the order in which a token reads them, which becomes their order in memory. Nothing
/// here is thread-safe: call it where forwards are run, between them.
class Packing {
 public:
  /// Values packed so far, and in all.
  using Progress = std::function<void(std::size_t done, std::size_t total)>;
  /// A line for people.
  using Report = std::function<void(const std::string& line)>;

  /// Neither checkpoint nor quantizer is owned; they are needed until all is packed.
  Packing(const io::Checkpoint& checkpoint, TensorQuantizer& quantizer, std::size_t total_values, Progress progress, Report report);

  /// A matrix of the tier that is to be packed later. Another Packing may have it too: whoever comes first does it.
  void add(std::string_view stored, std::shared_ptr<PackedMatrix> matrix);
  /// One that cannot wait.
  void fill(std::string_view stored, PackedMatrix& matrix);
  /// One that is packed, by fill() or before.
  void skip(const PackedMatrix& matrix) { advance(values_of(matrix)); }

  /// Where the tier's matrices go. They share huge pages, which go back with the last matrix in them.
  Arena& arena() { return arena_; }

  /// Packs the next piece on all threads, in about a hundredth of a second; false where nothing is left. Throws Error as the quantiser
  /// does.
  bool step();
  /// Packs all that is left.
  void finish();

  /// To be called before each forward. The first one may read the model's file, which is the soonest that an answer can begin; those
  /// behind it find everything packed, for reading a file over and over costs more than the memory. Where the file is not in memory either,
  /// the first one waits too: it would be read from the disk twice.
  void before_forward();

 private:
  struct Task {
    std::string stored;
    std::shared_ptr<PackedMatrix> matrix;
  };

  static std::size_t values_of(const PackedMatrix& matrix) {
    return static_cast<std::size_t>(matrix.n()) * static_cast<std::size_t>(matrix.k());
  }
  void advance(std::size_t values);
  void fill_piece(PackedMatrix& matrix, const std::string& stored);
  void end();

  const io::Checkpoint* checkpoint_;
  TensorQuantizer* quantizer_;
  Progress progress_;
  Report report_;
  Arena arena_;
  std::vector<Task> tasks_;
  std::size_t next_ = 0;                 // of tasks_
  std::optional<PackedMatrix> filling_;  // the next one
  int row_ = 0;                          // of it
  std::size_t done_ = 0, total_;         // values
  double seconds_ = 0;
  bool quantised_ = false;  // whether a format has scales
  bool ended_ = false;
  bool forward_ran_ = false;
};

}  // namespace vernier::model
