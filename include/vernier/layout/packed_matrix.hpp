// A weight matrix as the kernels read it: codes in panel order, and the scales beside them. Storage only; quant/quantize.hpp fills it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "vernier/core/arena.hpp"
#include "vernier/core/buffer.hpp"
#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"
#include "vernier/layout/cpu_panel.hpp"
#include "vernier/layout/weight_format.hpp"

namespace vernier {

/// Raised whenever the same weights come to lie in other bytes: another order, other scales, another rounding. Stored matrices carry it.
inline constexpr std::uint32_t packed_layout_version = 3;

class PanelSource;

/// What a kernel sees of a packed matrix. Does not own.
struct PackedView {
  WeightFormat format{};
  int n = 0;             // output features: rows of W
  int k = 0;             // input features: columns of W
  int scale_group = 0;   // columns that share a scale in the stored order: k itself when there is one scale per row; 0 without scales
  int scale_groups = 0;  // scales per row; 0 without scales
  const std::uint8_t* codes = nullptr;  // CpuPanel order
  const float* scales = nullptr;        // [panel][scale group][32 rows]; rows beyond n have scale 0
  // f16, bf16: [panel][exponent group][32 rows], the biased exponent that the largest magnitude has as a float; 255: one is not finite
  const std::uint8_t* exponents = nullptr;
  // Makes the panels where there are no codes yet; a CPU GEMM asks it for each panel that it multiplies.
  const PanelSource* source = nullptr;

  constexpr int exponent_groups() const { return ceil_div(k, exponent_group); }
  constexpr CpuPanel panel() const { return {format.precision, n, k}; }
  /// The scales of a panel's 32 rows at column `col`; null without scales.
  constexpr const float* panel_scales(int index, int col) const {
    if (scale_groups == 0) return nullptr;
    return scales + (static_cast<std::ptrdiff_t>(index) * scale_groups + col / scale_group) * CpuPanel::rows;
  }
  constexpr float scale(int row, int col) const {
    return scale_groups == 0 ? 1.0f : panel_scales(row / CpuPanel::rows, col)[row % CpuPanel::rows];
  }
};

/// Owns a weight matrix W (n, k) in the order in which kernels stream it. Movable, not copyable.
///
/// Rows and columns are padded to whole panels and steps with codes of zero. Scales are stored per (row, scale group) whatever the scaling:
/// a scale per tensor or per 128x128 block is repeated for the rows that share it, which costs a row-scaled read at most 3 % and saves each
/// kernel a branch. Formats without scales have the exponents of their groups there. Codes are followed by 64 bytes of slack, so that a
/// kernel may load a whole vector at the end.
class PackedMatrix {
 public:
  static constexpr int max_extent = 1 << 30;  // padding it does not overflow an int

  PackedMatrix() = default;
  PackedMatrix(PackedMatrix&&) = default;
  PackedMatrix& operator=(PackedMatrix&&) = default;

  /// Allocates for W (n, k), from `arena` if there is one, which need not outlive the matrix. Contents are undefined until a quantiser has
  /// written every panel. Throws Error when n or k is not in [1, max_extent], or the format is not one that why_unsupported() allows.
  PackedMatrix(int n, int k, WeightFormat format, Arena* arena = nullptr) : n_(n), k_(k), format_(format) {
    check_shape();
    memory_ = arena != nullptr ? arena->take(memory_bytes()) : own_memory(memory_bytes());
    std::memset(codes() + panel().total_bytes(), 0, side_offset() - panel().total_bytes());
  }

  /// Over memory_bytes() bytes that are what memory() of such a matrix was, and stay as they are: codes(), scales(), exponents() and the
  /// mutable memory() are not for this one. Over none it is a matrix that is yet to be packed: its shape, format and bytes() are known,
  /// its view has no codes, and it is packed when another is moved into it. Throws Error as above.
  PackedMatrix(int n, int k, WeightFormat format, std::shared_ptr<const std::uint8_t> memory)
      : n_(n), k_(k), format_(format), memory_(std::const_pointer_cast<std::uint8_t>(std::move(memory))) {
    check_shape();
  }

  /// The size of memory(). Throws Error as above.
  static std::size_t memory_bytes(int n, int k, WeightFormat format) {
    return PackedMatrix(n, k, format, std::shared_ptr<const std::uint8_t>()).memory_bytes();
  }

  int n() const { return n_; }
  int k() const { return k_; }
  WeightFormat format() const { return format_; }
  /// Whether the weights are there.
  bool is_packed() const { return memory_ != nullptr; }
  CpuPanel panel() const { return {format_.precision, n_, k_}; }

  /// Columns that share a scale in the stored order, 0 without scales.
  int scale_group() const {
    if (format_.scaling == Scaling::none) return 0;
    return format_.group != 0 ? format_.group : k_;
  }
  int scale_groups() const { return scale_group() == 0 ? 0 : ceil_div(k_, scale_group()); }

  /// For quantisers. Panels may be written by different threads.
  std::uint8_t* codes() { return memory_.get(); }
  float* scales() { return reinterpret_cast<float*>(memory_.get() + side_offset()); }
  /// See PackedView; for f16 and bf16 alone.
  std::uint8_t* exponents() { return memory_.get() + side_offset(); }

  /// Codes, slack and what stands beside them in one piece, for those who store a matrix and read it back.
  std::span<std::uint8_t> memory() { return {memory_.get(), is_packed() ? memory_bytes() : 0}; }
  std::span<const std::uint8_t> memory() const { return {memory_.get(), is_packed() ? memory_bytes() : 0}; }

  /// Bytes of codes and scales, padding included: what a pass over the matrix reads. (An int16 multiply reads 0.8 % more.)
  std::size_t bytes() const { return panel().total_bytes() + scales_bytes(); }

  /// Valid until the matrix is destroyed or assigned to; moving it keeps the view valid.
  PackedView view() const {
    PackedView view{.format = format_, .n = n_, .k = k_, .scale_group = scale_group(), .scale_groups = scale_groups()};
    if (!is_packed()) return view;
    const std::uint8_t* side = memory_.get() + side_offset();
    view.codes = memory_.get();
    view.scales = reinterpret_cast<const float*>(side);
    view.exponents = has_exponents() ? side : nullptr;
    return view;
  }

 private:
  static std::shared_ptr<std::uint8_t> own_memory(std::size_t bytes) {
    const auto buffer = std::make_shared<Buffer<std::uint8_t>>(bytes);
    return {buffer, buffer->data()};
  }

  void check_shape() const {
    const bool sane = n_ > 0 && k_ > 0 && n_ <= max_extent && k_ <= max_extent;
    expect(sane, "vernier::PackedMatrix", "n = ", n_, ", k = ", k_, ", expected both from 1 to ", max_extent);
    const std::string_view why = why_unsupported(format_);
    expect(why.empty(), "vernier::PackedMatrix", to_string(format_), " is not a weight format: ", why);
  }

  bool has_exponents() const { return format_.scaling == Scaling::none; }
  std::size_t memory_bytes() const { return n_ == 0 ? 0 : side_offset() + scales_bytes() + exponents_bytes(); }
  std::size_t side_offset() const { return round_up(panel().total_bytes(), buffer_alignment) + buffer_alignment; }
  std::size_t exponents_bytes() const {
    return has_exponents()
               ? static_cast<std::size_t>(panel().panels()) * static_cast<std::size_t>(ceil_div(k_, exponent_group)) * CpuPanel::rows
               : 0;
  }
  std::size_t scales_bytes() const {
    return static_cast<std::size_t>(panel().panels()) * static_cast<std::size_t>(scale_groups() * CpuPanel::rows) * sizeof(float);
  }

  int n_ = 0;
  int k_ = 0;
  WeightFormat format_{};
  std::shared_ptr<std::uint8_t> memory_;  // codes, slack, scales or exponents: in one piece, so that huge pages hold all of it
};

/// Throws Error where w has no codes.
inline void expect_packed(std::string_view where, const PackedView& w) {
  expect(w.codes != nullptr, where, "the matrix of ", w.n, " x ", w.k, " is not packed");
}

/// Throws Error unless rows [first_row, first_row + rows) by cols are whole panels of w, whose last panel may be short.
inline void expect_panel_rows(std::string_view where, const PackedMatrix& w, int first_row, int rows, int cols) {
  expect(cols == w.k(), where, "rows of ", cols, " columns for a matrix of k = ", w.k());
  expect(first_row >= 0 && first_row % CpuPanel::rows == 0, where, "first_row = ", first_row, ", expected a multiple of ", CpuPanel::rows);
  expect(rows > 0 && rows <= w.n() - first_row, where, "rows ", first_row, " to ", first_row, " + ", rows, " of a matrix of n = ", w.n());
  expect(rows % CpuPanel::rows == 0 || first_row + rows == w.n(), where, rows, " rows from row ", first_row, ", expected a multiple of ",
         CpuPanel::rows, " except for the last rows of n = ", w.n());
}

}  // namespace vernier
