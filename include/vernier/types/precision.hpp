// The precisions that the library stores and multiplies, by name. What a format's bits mean is documented at its type, one file each beside
// this one.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "vernier/core/macros.hpp"

namespace vernier {

/// One value per format. Which scalings each takes as a weight is in layout/weight_format.hpp; see docs/add-a-precision.md for more of
/// them.
enum class Precision : unsigned char { f32, f16, bf16, i8, e4m3, e5m2, nf4 };

inline constexpr std::array all_precisions{Precision::f32,  Precision::f16,  Precision::bf16, Precision::i8,
                                           Precision::e4m3, Precision::e5m2, Precision::nf4};

/// Bits of one code, without its share of the scales: what a pass over the weights reads for each of them.
VERNIER_HD constexpr int bits(Precision p) {
  switch (p) {
    case Precision::f32: return 32;
    case Precision::f16:
    case Precision::bf16: return 16;
    case Precision::i8:
    case Precision::e4m3:
    case Precision::e5m2: return 8;
    case Precision::nf4: return 4;
  }
  return 0;
}

/// Whether p is one of the 8-bit floats.
constexpr bool is_fp8(Precision p) { return p == Precision::e4m3 || p == Precision::e5m2; }

/// Whether keys and values can be cached in p. nf4 cannot (its absmax runs over 64 elements, which few heads have), f32 is not needed.
constexpr bool is_kv_precision(Precision p) { return p != Precision::f32 && p != Precision::nf4; }

/// The name used in plans, flags and messages.
constexpr std::string_view name(Precision p) {
  switch (p) {
    case Precision::f32: return "f32";
    case Precision::f16: return "f16";
    case Precision::bf16: return "bf16";
    case Precision::i8: return "i8";
    case Precision::e4m3: return "e4m3";
    case Precision::e5m2: return "e5m2";
    case Precision::nf4: return "nf4";
  }
  return "?";
}

/// The precision called `text`, or nothing: the inverse of name(). Names are exact; there are no aliases such as "int8" or "fp16".
constexpr std::optional<Precision> parse_precision(std::string_view text) {
  for (Precision p : all_precisions)
    if (name(p) == text) return p;
  return std::nullopt;
}

}  // namespace vernier
