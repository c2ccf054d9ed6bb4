// How a weight matrix is stored, as a value: a precision, and which weights share a scale. The rules of what goes together are here too.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "vernier/core/error.hpp"
#include "vernier/types/nf4.hpp"
#include "vernier/types/precision.hpp"

namespace vernier {

/// Which weights share a scale when a matrix is quantised.
enum class Scaling : unsigned char { none, tensor, row, group, block };

inline constexpr std::array all_scalings{Scaling::none, Scaling::tensor, Scaling::row, Scaling::group, Scaling::block};

/// The name used in messages and reports.
constexpr std::string_view name(Scaling s) {
  switch (s) {
    case Scaling::none: return "none";
    case Scaling::tensor: return "tensor";
    case Scaling::row: return "row";
    case Scaling::group: return "group";
    case Scaling::block: return "block";
  }
  return "?";
}

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
    case Precision::nf4: return {p, Scaling::group, nf4::block};
    default: return {p, Scaling::none, 0};
  }
}

/// Groups start on a multiple of this many columns, so that no vector of a kernel straddles two scales.
inline constexpr int group_granularity = 32;
inline constexpr int max_group = 65536;

/// Why weights cannot be stored like this, with the remedy; empty when they can.
constexpr std::string_view why_unsupported(const WeightFormat& f) {
  const bool grouped = f.scaling == Scaling::group || f.scaling == Scaling::block;
  if (!grouped && f.group != 0) return "this scaling has no group; set group to 0";
  if (grouped && (f.group <= 0 || f.group > max_group || f.group % group_granularity != 0))
    return "group must be a multiple of 32, from 32 to 65536";
  switch (f.precision) {
    case Precision::f32: return "weights are not kept in f32; use f16 or bf16";
    case Precision::f16:
    case Precision::bf16: return f.scaling == Scaling::none ? "" : "f16 and bf16 take no scale; use Scaling::none";
    case Precision::i8: {
      const bool known = f.scaling == Scaling::row || f.scaling == Scaling::group || f.scaling == Scaling::tensor;
      return known ? "" : "i8 is scaled per row, per group of columns or per tensor";
    }
    case Precision::e4m3:
    case Precision::e5m2: {
      if (f.scaling == Scaling::block) return f.group == 128 ? "" : "fp8 blocks are 128 rows by 128 columns; set group to 128";
      const bool known = f.scaling == Scaling::tensor || f.scaling == Scaling::row;
      return known ? "" : "fp8 is scaled per tensor, per row or per 128x128 block";
    }
    case Precision::nf4:
      return f.scaling == Scaling::group && f.group == nf4::block ? "" : "nf4 is scaled per group of 64 columns; set group to 64";
  }
  return "unknown precision";
}

/// For messages and reports, for example "i8/group=64".
inline std::string to_string(const WeightFormat& f) {
  std::string text = concat(name(f.precision), "/", name(f.scaling));
  if (f.group != 0) text += concat("=", f.group);
  return text;
}

}  // namespace vernier
