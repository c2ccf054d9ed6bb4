// A weight matrix as CUDA kernels read it: codes in tile order, and the scales behind them. Storage only; quant/repack_mma.hpp fills it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "vernier/core/buffer.hpp"
#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"
#include "vernier/layout/mma_tile.hpp"
#include "vernier/layout/weight_format.hpp"

namespace vernier::cuda {

/// What a kernel sees of a weight matrix W (n, k), in the memory of whoever multiplies: does not own.
struct WeightView {
  WeightFormat format{};
  int n = 0;                            // output features: rows of W, those of gate and up together where it is gated
  int k = 0;                            // input features: columns of W
  int scale_group = 0;                  // columns that share a scale as stored: 32, 64, 128 ...; 0 with a scale per row, or none
  int scale_groups = 0;                 // scales per row; 0 without scales
  bool gated = false;                   // tiles of 16 rows are those of a gate and of what it gates, in turn
  const std::uint8_t* codes = nullptr;  // MmaTile order, 16-byte aligned
  const float* scales = nullptr;        // MmaTile::scale_index; rows beyond n have scale 0

  VERNIER_HD constexpr MmaTile tile() const { return {format.precision, n, k}; }
};

/// Owns, in host memory, the bytes of a weight matrix in the order in which a CUDA device streams it. Upload memory(), and ask for a view
/// at the address it then has. Movable, not copyable.
///
/// Rows are padded to whole tiles of 16 and columns to 64, with codes of zero. Scales are stored per (row, group) whatever the scaling, as
/// in PackedMatrix, but a group is a power of two times 32 columns: another one is stored as several groups of the same scale.
class PackedWeights {
 public:
  PackedWeights() = default;

  /// Allocates for W (n, k); contents are undefined until a packer has written every row of tiles. Throws Error when n or k is not
  /// positive, or the format is not one that why_unsupported() allows.
  PackedWeights(int n, int k, WeightFormat format, bool gated = false) {
    constexpr std::string_view where = "vernier::cuda::PackedWeights";
    expect(n > 0 && k > 0, where, "n = ", n, ", k = ", k, ", expected both to be positive");
    const std::string_view why = why_unsupported(format);
    expect(why.empty(), where, to_string(format), " is not a weight format: ", why);
    shape_ = {.format = format, .n = n, .k = k, .scale_group = 0, .scale_groups = 0, .gated = gated};
    if (format.scaling != Scaling::none) shape_.scale_groups = 1;
    if (has_group(format.scaling)) {
      shape_.scale_group = format.group & -format.group;  // its largest power of two
      shape_.scale_groups = ceil_div(round_up(k, MmaTile::cols), shape_.scale_group);
    }
    memory_ = Buffer<std::uint8_t>(scales_offset() + scales_count() * sizeof(float));
  }

  /// For packers. Rows of tiles may be written by different threads.
  std::uint8_t* codes() { return memory_.data(); }
  float* scales() { return reinterpret_cast<float*>(memory_.data() + scales_offset()); }

  /// Codes and scales, padding included: what a device holds, and what a pass over the matrix reads.
  std::span<const std::uint8_t> memory() const { return {memory_.data(), memory_.size()}; }

  /// The matrix at `memory`, where the bytes of memory() lie, 16-byte aligned.
  WeightView view(const std::uint8_t* memory) const {
    WeightView v = shape_;
    v.codes = memory;
    v.scales = shape_.scale_groups == 0 ? nullptr : reinterpret_cast<const float*>(memory + scales_offset());
    return v;
  }
  /// In this host memory, for the emulator.
  WeightView view() const { return view(memory_.data()); }

 private:
  std::size_t scales_offset() const { return round_up(shape_.tile().total_bytes(), buffer_alignment); }
  std::size_t scales_count() const { return MmaTile::scale_index(shape_.tile().row_tiles() * MmaTile::rows, 0, shape_.scale_groups); }

  WeightView shape_{};
  Buffer<std::uint8_t> memory_;
};

}  // namespace vernier::cuda
