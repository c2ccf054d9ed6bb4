// NormalFloat4: sixteen quantiles of a normal distribution, as QLoRA defines them.
#pragma once

#include <array>
#include <cstdint>

#include "vernier/core/macros.hpp"

namespace vernier {

/// NF4: a 4-bit index into 16 values in [-1, 1], scaled by the absmax of a block of 64; code 7 is exactly zero.
/// encode() takes x / absmax and counts the midpoints that lie below it, so a tie goes down, as in bitsandbytes; values outside
/// [-1, 1] saturate and NaN becomes code 0 (a quantiser must look for NaN before).
/// Source: Dettmers et al., QLoRA (arXiv 2305.14314), appendix E; the values are those of bitsandbytes' "nf4" table.
struct nf4 {
  std::uint8_t bits = 0;  // 0 to 15
  static constexpr std::uint8_t zero_code = 7;
  static constexpr int block = 64;  // weights that share an absmax

  /// Ascending. Not evenly spaced: each value stands for about a sixteenth of normally distributed weights.
  static constexpr std::array<float, 16> values{
      -1.0f,
      -0.6961928009986877f,
      -0.5250730514526367f,
      -0.39491748809814453f,
      -0.28444138169288635f,
      -0.18477343022823334f,
      -0.09105003625154495f,
      0.0f,
      0.07958029955625534f,
      0.16093020141124725f,
      0.24611230194568634f,
      0.33791524171829224f,
      0.44070982933044434f,
      0.5626170039176941f,
      0.7229568362236023f,
      1.0f,
  };

  /// The borders between neighbouring values, each rounded to float; a value on a border takes the lower code.
  static constexpr std::array<float, 15> borders = [] {
    std::array<float, 15> middle{};
    for (std::size_t i = 0; i < middle.size(); ++i) middle[i] = (values[i] + values[i + 1]) * 0.5f;
    return middle;
  }();

  /// Fifteen comparisons and no branch: on arrays that is faster than a search, because it becomes vector code.
  static constexpr nf4 encode(float x) {
    std::uint32_t code = 0;
    for (float border : borders) code += x > border ? 1u : 0u;
    return {static_cast<std::uint8_t>(code)};
  }
  /// Before the scale. Only the low four bits are looked at.
  constexpr float decode() const { return values[bits & 15u]; }
  friend constexpr bool operator==(nf4, nf4) = default;
};

}  // namespace vernier
