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
///   none    no scale: floats of 16 bits
///   tensor  one for the whole matrix
///   row     one per row, that is per output feature
///   group   one per row and `group` columns
///   block   one per `group` rows and `group` columns
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
    case Precision::f32:
    case Precision::f16:
    case Precision::bf16: break;
  }
  return {p, Scaling::none, 0};
}

/// Groups start on a multiple of this many columns, so that no vector of a kernel straddles two scales.
inline constexpr int group_granularity = 32;

/// Groups and blocks are multiples of `granularity` columns, at most `most`.
struct GroupLimits {
  int granularity = group_granularity;
  int most = 65536;
};

/// nf4 and fp8 have one size each, which checkpoints use too; i8 takes any group.
constexpr GroupLimits group_limits(Precision p) {
  switch (p) {
    case Precision::nf4: return {nf4::block, nf4::block};
    case Precision::e4m3:
    case Precision::e5m2: return {128, 128};
    default: return {};
  }
}

/// Whether `group` means something.
constexpr bool has_group(Scaling s) { return s == Scaling::group || s == Scaling::block; }

/// Whether a precision is ever scaled so. Beyond this table only the size of the group matters.
constexpr bool takes(Precision p, Scaling s) {
  switch (p) {
    case Precision::f32: return false;
    case Precision::f16:
    case Precision::bf16: return s == Scaling::none;
    case Precision::i8: return s == Scaling::row || s == Scaling::group || s == Scaling::tensor;
    case Precision::e4m3:
    case Precision::e5m2: return s == Scaling::row || s == Scaling::block || s == Scaling::tensor;
    case Precision::nf4: return s == Scaling::group;
  }
  return false;
}

/// Why weights cannot be stored like this, with the remedy; empty when they can. PackedMatrix asks this at run time, check() while
/// compiling.
constexpr std::string_view why_unsupported(const WeightFormat& f) {
  if (f.precision == Precision::f32) return "weights are not kept in f32; use f16 or bf16";
  if (!takes(f.precision, f.scaling)) {
    switch (f.precision) {
      case Precision::i8: return "i8 is scaled per row, per group of columns or per tensor";
      case Precision::e4m3:
      case Precision::e5m2: return "fp8 is scaled per tensor, per row or per 128x128 block";
      case Precision::nf4: return "nf4 is scaled per group of 64 columns";
      default: return "f16 and bf16 take no scale; use Scaling::none";
    }
  }
  if (!has_group(f.scaling)) return f.group == 0 ? "" : "this scaling has no group; set group to 0";
  const GroupLimits limits = group_limits(f.precision);
  if (f.group > 0 && f.group % limits.granularity == 0 && f.group <= limits.most) return "";
  switch (f.precision) {
    case Precision::nf4: return "nf4 groups are 64 columns; set group to 64";
    case Precision::i8: return "group must be a multiple of 32, from 32 to 65536";
    default: return "fp8 blocks are 128 rows by 128 columns; set group to 128";
  }
}

/// The compiler prints <group, granularity, most> beside the text.
template <int Group, int Granularity, int Most>
struct group_fits {
  static_assert(Group > 0 && Group % Granularity == 0 && Group <= Most,
                "vernier::WeightFormat: <group, granularity, most>: group must be a positive multiple of the granularity, at most most");
  static constexpr bool holds = true;
};

/// Refuses, while compiling, a format that why_unsupported() refuses at run time.
template <WeightFormat F>
constexpr bool check() {
  static_assert(takes(F.precision, F.scaling),
                "vernier::WeightFormat: f16 and bf16 take no scale, i8 a scale per row, group or tensor, fp8 per row, tensor or 128x128 "
                "block, nf4 per group of 64; f32 is no weight format");
  static_assert(has_group(F.scaling) || F.group == 0, "vernier::WeightFormat: this scaling has no group; set group to 0");
  if constexpr (has_group(F.scaling))
    static_assert(group_fits<F.group, group_limits(F.precision).granularity, group_limits(F.precision).most>::holds,
                  "vernier::WeightFormat: no such group");
  return true;
}

/// For messages and reports, for example "i8/group=64".
inline std::string to_string(const WeightFormat& f) {
  std::string text = concat(name(f.precision), "/", name(f.scaling));
  if (f.group != 0) text += concat("=", f.group);
  return text;
}

}  // namespace vernier
