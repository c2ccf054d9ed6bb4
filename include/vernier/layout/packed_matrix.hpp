// A weight matrix as the kernels read it: codes in panel order, and the scales beside them. Storage only; quant/quantize.hpp fills it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vernier/core/buffer.hpp"
#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"
#include "vernier/layout/cpu_panel.hpp"
#include "vernier/types/precision.hpp"

namespace vernier {

/// Which weights share a scale when a matrix is quantised.
enum class Scaling : unsigned char { none, tensor, row, group, block };

/// How a weight matrix is stored. Structural, so that it can be part of a tier or a plan.
struct WeightFormat {
  Precision precision = Precision::f16;
  Scaling scaling = Scaling::none;
  int group = 0;  // columns per scale (and rows, for block); 0 where the scaling has no group

  friend constexpr bool operator==(const WeightFormat&, const WeightFormat&) = default;
};

/// The scaling that a precision gets when nobody says otherwise: none for floats of 16 bits and more, a scale per row for 8-bit codes,
/// an absmax per 64 columns for nf4.
constexpr WeightFormat default_format(Precision p) {
  switch (p) {
    case Precision::i8:
    case Precision::e4m3:
    case Precision::e5m2: return {p, Scaling::row, 0};
    case Precision::nf4: return {p, Scaling::group, 64};
    default: return {p, Scaling::none, 0};
  }
}

/// What a kernel sees of a packed matrix. Does not own.
struct PackedView {
  WeightFormat format{};
  int n = 0;             // output features: rows of W
  int k = 0;             // input features: columns of W
  int scale_group = 0;   // columns that share a scale in the stored order: k itself when there is one scale per row; 0 without scales
  int scale_groups = 0;  // scales per row; 0 without scales
  const std::uint8_t* codes = nullptr;  // CpuPanel order
  const float* scales = nullptr;        // [panel][scale group][32 rows]; rows beyond n have scale 0

  constexpr CpuPanel panel() const { return {format.precision, n, k}; }
  constexpr float scale(int row, int col) const {
    if (scale_groups == 0) return 1.0f;
    const std::size_t panel_index = static_cast<std::size_t>(row / CpuPanel::rows);
    const std::size_t index = panel_index * static_cast<std::size_t>(scale_groups) + static_cast<std::size_t>(col / scale_group);
    return scales[index * CpuPanel::rows + static_cast<std::size_t>(row % CpuPanel::rows)];
  }
};

/// Owns a weight matrix W (n, k) in the order in which kernels stream it. Movable, not copyable.
///
/// Rows and columns are padded to whole panels and steps with codes of zero. Scales are stored per (row, scale group) whatever the scaling:
/// a scale per tensor or per 128x128 block is repeated for the rows that share it, which costs a row-scaled read at most 3 % and saves each
/// kernel a branch. Codes are followed by 64 bytes of slack, so that a kernel may load a whole vector at the end.
class PackedMatrix {
 public:
  PackedMatrix() = default;

  /// Allocates for W (n, k); contents are undefined until a quantiser has written every panel.
  /// Throws Error when n or k is not positive or the format's group does not suit its scaling.
  PackedMatrix(int n, int k, WeightFormat format) : n_(n), k_(k), format_(format) {
    expect(n > 0 && k > 0, "vernier::PackedMatrix", "n = ", n, ", k = ", k, ", expected both positive");
    const bool grouped = format.scaling == Scaling::group || format.scaling == Scaling::block;
    expect(grouped ? format.group > 0 : format.group == 0, "vernier::PackedMatrix", "group = ", format.group,
           grouped ? ", expected a positive number of columns per scale" : ", expected 0: this scaling has no group");
    codes_ = Buffer<std::uint8_t>(panel().total_bytes() + buffer_alignment);
    scales_ = Buffer<float>(static_cast<std::size_t>(panel().panels()) * static_cast<std::size_t>(scale_groups() * CpuPanel::rows));
  }

  int n() const { return n_; }
  int k() const { return k_; }
  WeightFormat format() const { return format_; }
  CpuPanel panel() const { return {format_.precision, n_, k_}; }

  int scale_group() const {
    if (format_.scaling == Scaling::none) return 0;
    return format_.group != 0 ? format_.group : k_;
  }
  int scale_groups() const { return scale_group() == 0 ? 0 : ceil_div(k_, scale_group()); }

  std::uint8_t* codes() { return codes_.data(); }
  float* scales() { return scales_.data(); }

  /// Bytes of codes and scales, padding included: what a pass over the matrix reads.
  std::size_t bytes() const { return panel().total_bytes() + scales_.size_bytes(); }

  PackedView view() const { return {format_, n_, k_, scale_group(), scale_groups(), codes_.data(), scales_.data()}; }

 private:
  int n_ = 0;
  int k_ = 0;
  WeightFormat format_{};
  Buffer<std::uint8_t> codes_;
  Buffer<float> scales_;
};

}  // namespace vernier
