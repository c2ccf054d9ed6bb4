// One stored copy for several precisions: a weight cut into planes, such that the first t planes are a format of their own.
// Here are the cuts of one weight and the places of planes; nothing is stored here. Formats of one plane are in types/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "vernier/core/macros.hpp"
#include "vernier/layout/cpu_panel.hpp"
#include "vernier/types/fp8.hpp"
#include "vernier/types/nf4.hpp"

namespace vernier {

/// A weight x / absmax in [-1, 1] in three planes of 4 bits, one per byte here: the NF4 code, then the upper and the lower half of an 8-bit
/// position inside that code's bucket, which reaches from one border of nf4 to the next (the outer two end at -1 and 1).
///
/// The first plane alone is NF4, bit for bit. Each further plane divides the error by 16: with t = 2 or 3 planes a weight decodes to the
/// middle of the part of its bucket that they name, so |error| <= bucket width / 32 or / 512. Exact zeros stay exact in plane 0 only.
/// 4.5, 8.5 or 12.5 bits a weight with a float absmax per 64.
struct NibblePlanes {
  static constexpr int planes = 3;

  std::array<std::uint8_t, planes> nibbles{};

  static constexpr float bucket_begin(int code) { return code == 0 ? -1.0f : nf4::borders[static_cast<std::size_t>(code - 1)]; }
  static constexpr float bucket_end(int code) { return code == 15 ? 1.0f : nf4::borders[static_cast<std::size_t>(code)]; }

  /// x = weight / absmax; values outside [-1, 1] saturate, NaN is the first position of code 0.
  static constexpr NibblePlanes split(float x) {
    const std::uint8_t code = nf4::encode(x).bits;
    const float begin = bucket_begin(code), part = (x - begin) / (bucket_end(code) - begin) * 256.0f;
    const int position = part > 0.0f ? (part < 255.0f ? static_cast<int>(part) : 255) : 0;
    return {{code, static_cast<std::uint8_t>(position >> 4), static_cast<std::uint8_t>(position & 15)}};
  }

  /// x again from the first `count` planes, 1 to 3. All are within the error of the format, none reads a later plane.
  constexpr float join(int count) const {
    const int code = nibbles[0] & 15;
    if (count == 1) return nf4::values[static_cast<std::size_t>(code)];
    const int parts = count == 2 ? 16 : 256;
    const int position = count == 2 ? nibbles[1] & 15 : (nibbles[1] & 15) * 16 + (nibbles[2] & 15);
    const float begin = bucket_begin(code), step = (bucket_end(code) - begin) / static_cast<float>(parts);
    return begin + step * (static_cast<float>(position) + 0.5f);
  }
};

/// An f16 weight of magnitude <= 1.75 in two bytes. The upper one is a valid E4M3 code of x * 256, rounded to nearest even: exponent and
/// mantissa fields of both formats line up, the highest exponent bit of f16 being zero. Both together are the f16 again, exactly.
///
/// f16 is s e4 e3..e0 m9..m0 with e4 = 0. upper = s, e3..e0, m9..m7 rounded on m6..m0; lower = m7..m0: m7 is stored twice, and where the
/// copies disagree the upper byte was rounded up.
struct BytePlanes {
  static constexpr int planes = 2;
  static constexpr float scale = 0x1p-8f;         // x = E4M3 value * scale
  static constexpr std::uint16_t limit = 0x3f00;  // 1.75; larger magnitudes could round up to E4M3's NaN

  std::uint8_t upper = 0, lower = 0;

  /// Whether an f16 can be split: finite and |x| <= 1.75.
  VERNIER_HD static constexpr bool holds(std::uint16_t half) { return (half & 0x7fffu) <= limit; }

  /// The bits of an f16 for which holds() is true.
  VERNIER_HD static constexpr BytePlanes split(std::uint16_t half) {
    const unsigned magnitude = half & 0x3fffu;
    const unsigned rounded = (magnitude + 63u + (magnitude >> 7 & 1u)) >> 7;
    return {static_cast<std::uint8_t>((half >> 8 & 0x80u) | rounded), static_cast<std::uint8_t>(half & 0xffu)};
  }

  /// The first plane alone: x rounded to E4M3 with a fixed scale.
  VERNIER_HD constexpr float join_upper() const { return e4m3{upper}.decode() * scale; }

  /// Both planes: the bits of the f16.
  VERNIER_HD constexpr std::uint16_t join() const {
    const unsigned rounded_up = (upper & 1u) ^ (lower >> 7 & 1u);
    const unsigned magnitude = (upper & 0x7fu) - rounded_up;
    return static_cast<std::uint16_t>((upper & 0x80u) << 8 | magnitude << 7 | (lower & 0x7fu));
  }
};

/// Where the planes of a matrix (n, k) lie: one after the other, each whole and in the panel order of its code width, so that a tier which
/// reads t planes reads the first t * plane_bytes() bytes and finds a weight at the same offset in each of them.
struct PlaneLayout {
  int plane_bits = 4;  // 4 for nibble planes, 8 for byte planes
  int n = 0, k = 0;

  /// The order inside each plane.
  VERNIER_HD constexpr CpuPanel panel() const { return {plane_bits == 4 ? Precision::nf4 : Precision::e4m3, n, k}; }
  VERNIER_HD constexpr std::size_t plane_bytes() const { return panel().total_bytes(); }
  /// Bytes that a tier of `planes` planes reads, without scales.
  VERNIER_HD constexpr std::size_t tier_bytes(int planes) const { return static_cast<std::size_t>(planes) * plane_bytes(); }
  /// The byte of (row, col) in plane `plane`; the nibble inside it is CpuPanel::high_nibble(col).
  VERNIER_HD constexpr std::size_t byte_offset(int plane, int row, int col) const {
    return static_cast<std::size_t>(plane) * plane_bytes() + panel().byte_offset(row, col);
  }
};

}  // namespace vernier
