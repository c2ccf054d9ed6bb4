#include "common/model/packing.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/seconds_text.hpp"
#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"

namespace vernier::model {
namespace {

/// Of a piece: what two threads pack in a hundredth of a second where memory is slow to come.
constexpr int piece_values = 1 << 22;

/// Rows of a piece are a multiple of this: of panels.
constexpr int row_grain = 128;

/// Adds the time that it lives to a sum.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(&seconds) {}
  ~Stopwatch() { *seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double* seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Packing::Packing(const io::Checkpoint& checkpoint, TensorQuantizer& quantizer, std::size_t total_values, Progress progress, Report report)
    : checkpoint_(&checkpoint), quantizer_(&quantizer), progress_(std::move(progress)), report_(std::move(report)), total_(total_values) {}

void Packing::add(std::string_view stored, std::shared_ptr<PackedMatrix> matrix) {
  tasks_.push_back({std::string(stored), std::move(matrix)});
}

void Packing::fill(std::string_view stored, PackedMatrix& matrix) {
  const Stopwatch watch(seconds_);
  quantised_ = quantised_ || matrix.format().scaling != Scaling::none;
  quantizer_->fill(stored, matrix);
}

void Packing::advance(std::size_t values) {
  done_ += values;
  if (progress_) progress_(done_, total_);
}

bool Packing::step() {
  if (next_ < tasks_.size()) {
    const Task& task = tasks_[next_];
    if (!task.matrix->is_packed()) fill_piece(*task.matrix, task.stored);
    if (task.matrix->is_packed()) {  // by us or by another tier
      filling_.reset();
      row_ = 0;
      skip(*task.matrix);
      ++next_;
    }
  }
  if (next_ < tasks_.size()) return true;
  end();
  return false;
}

void Packing::fill_piece(PackedMatrix& matrix, const std::string& stored) {
  const Stopwatch watch(seconds_);
  quantised_ = quantised_ || matrix.format().scaling != Scaling::none;
  if (!filling_) filling_.emplace(matrix.n(), matrix.k(), matrix.format(), &arena_);
  const int rows = std::min(matrix.n() - row_, round_up(ceil_div(piece_values, matrix.k()), row_grain));
  quantizer_->fill_rows(stored, *filling_, row_, rows);
  row_ += rows;
  if (row_ == matrix.n()) matrix = std::move(*filling_);
}

void Packing::end() {
  tasks_.clear();
  next_ = 0;
  if (std::exchange(ended_, true) || seconds_ == 0) return;
  if (report_) report_(concat("weights: ", quantised_ ? "quantised" : "copied", " in ", seconds_text(seconds_)));
}

void Packing::finish() {
  while (step()) {
  }
}

void Packing::before_forward() {
  if (tasks_.empty()) return;
  if (forward_ran_ || !checkpoint_->in_memory()) finish();
  forward_ran_ = true;
}

}  // namespace vernier::model
