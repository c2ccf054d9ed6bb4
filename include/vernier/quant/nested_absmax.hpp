// The second rounding of QLoRA: the absmax values of NF4 blocks kept in 8 bits ("double quantisation"), as bitsandbytes does it.
// Saves 0.37 bits a weight. For reading and writing that format; PackedMatrix keeps its scales in float.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vernier/core/error.hpp"

namespace vernier {

/// The signed "dynamic" 8-bit code: 256 numbers in [-0.99297, 1], ascending. Per decade from 1e-6 to 1 the numbers of steps double: 1, 2,
/// 4 ... 64 equal steps across (0.1, 1) of that decade, each represented by its middle; then the negatives, 0 and 1.
/// Source: Dettmers, 8-Bit Approximations for Parallelism in Deep Learning (arXiv 1511.04561); bit for bit bitsandbytes' map.
inline constexpr std::array<float, 256> dynamic_codebook = [] {
  std::array<float, 256> values{};
  std::size_t count = 0;
  const float first = 0.1f, last = 1.0f;
  double decade = 1e6;  // a divisor: 1e-6 has no exact double, its float is the same either way
  for (int steps = 1; steps <= 64; steps *= 2, decade /= 10) {
    const float step = (last - first) / static_cast<float>(steps);
    const auto border = [&](int i) {  // counted from the nearer end, one rounding each
      return i < (steps + 1) / 2 ? static_cast<float>(first + static_cast<double>(step) * i)
                                 : static_cast<float>(last - static_cast<double>(step) * (steps - i));
    };
    for (int i = 0; i < steps; ++i) {
      const float middle = (border(i) + border(i + 1)) / 2.0f * static_cast<float>(1.0 / decade);
      values[count++] = middle;
      values[count++] = -middle;
    }
  }
  values[count++] = 0.0f;
  values[count++] = 1.0f;
  std::sort(values.begin(), values.end());
  return values;
}();

/// Absmax values in 8 bits: absmax[i] = dynamic_codebook[codes[i]] * scales[i / 256] + offset.
struct NestedAbsmax {
  static constexpr int block = 256;

  std::vector<std::uint8_t> codes;
  std::vector<float> scales;  // one per 256 codes, the last block may be short
  float offset = 0;           // the mean of the absmax values, taken off before they are rounded
};

namespace detail {

/// Where x in [-1, 1] lies on a grid of 65,536 points, before rounding. bitsandbytes' CPU code rounds to that grid first and takes the
/// nearest number of the codebook from there.
constexpr float dynamic_place(float x) { return (std::clamp(x, -1.0f, 1.0f) + 1.0f) * 0.5f * 65535.0f; }

/// The code of a place on that grid; a tie goes down.
constexpr std::uint8_t encode_dynamic(float place) {
  constexpr std::array<float, 255> borders = [] {
    std::array<float, 255> middle{};
    for (std::size_t i = 0; i < middle.size(); ++i) middle[i] = 0.5f * (dynamic_codebook[i] + dynamic_codebook[i + 1]);
    return middle;
  }();
  const float on_grid = -1.0f + 2.0f * static_cast<float>(static_cast<int>(place + 0.5f)) / 65535.0f;
  return static_cast<std::uint8_t>(std::lower_bound(borders.begin(), borders.end(), on_grid) - borders.begin());
}

}  // namespace detail

/// The mean, in double. bitsandbytes sums in float, in an order that depends on the machine, so its offset may differ in the last places.
inline float mean_absmax(std::span<const float> absmax) {
  double sum = 0;
  for (const float a : absmax) sum += a;
  return absmax.empty() ? 0.0f : static_cast<float>(sum / static_cast<double>(absmax.size()));
}

/// Rounds absmax values to 8 bits around `offset`; for the same offset codes and scales are those of bitsandbytes.
/// Throws Error for a value that is not finite, with its index.
inline NestedAbsmax nest_absmax(std::span<const float> absmax, float offset) {
  expect(std::isfinite(offset), "vernier::nest_absmax", "offset = ", offset, ", expected a finite number");
  NestedAbsmax out{.codes = std::vector<std::uint8_t>(absmax.size()), .scales = {}, .offset = offset};
  for (std::size_t first = 0; first < absmax.size(); first += NestedAbsmax::block) {
    const std::size_t end = std::min(absmax.size(), first + NestedAbsmax::block);
    float most = 0;
    for (std::size_t i = first; i < end; ++i) {
      expect(std::isfinite(absmax[i] - offset), "vernier::nest_absmax", "absmax[", i, "] = ", absmax[i], ", offset = ", offset,
             ", expected a finite difference");
      most = std::max(most, std::abs(absmax[i] - offset));
    }
    out.scales.push_back(most);
    if (most == 0) continue;
    const float inverse = 1.0f / most;
    // Two loops, here and below: in one, a compiler may fuse the multiplication with the addition that follows and skip a rounding.
    std::array<float, NestedAbsmax::block> places;
    for (std::size_t i = first; i < end; ++i) places[i - first] = detail::dynamic_place((absmax[i] - offset) * inverse);
    for (std::size_t i = first; i < end; ++i) out.codes[i] = detail::encode_dynamic(places[i - first]);
  }
  return out;
}

inline NestedAbsmax nest_absmax(std::span<const float> absmax) { return nest_absmax(absmax, mean_absmax(absmax)); }

/// The absmax values again, bit for bit as bitsandbytes restores them. Throws Error when the scales do not cover the codes.
inline std::vector<float> unnest_absmax(const NestedAbsmax& nested) {
  const std::size_t blocks = (nested.codes.size() + NestedAbsmax::block - 1) / NestedAbsmax::block;
  expect(nested.scales.size() == blocks, "vernier::unnest_absmax", nested.scales.size(), " scales for ", nested.codes.size(),
         " codes, expected one per ", NestedAbsmax::block);
  std::vector<float> out(nested.codes.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = dynamic_codebook[nested.codes[i]] * nested.scales[i / NestedAbsmax::block];
  for (float& absmax : out) absmax += nested.offset;
  return out;
}

}  // namespace vernier
