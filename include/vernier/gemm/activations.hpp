// Activations in the order in which micro-kernels read them: converted, quantised where asked, and interleaved by token.
// The layout is described at cpu::Tile. Memory belongs to a GemmWorkspace.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "vernier/core/math.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cpu/quantize_spans.hpp"
#include "vernier/cpu/tile.hpp"
#include "vernier/gemm/config.hpp"
#include "vernier/quant/group_scale.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/int8.hpp"

namespace vernier::cpu {

/// What activations may be stored as.
template <class T>
concept Activation = std::is_same_v<T, float> || std::is_same_v<T, bf16> || std::is_same_v<T, f16>;

inline float to_float(float x) { return x; }
inline float to_float(bf16 x) { return x.decode(); }
inline float to_float(f16 x) { return x.decode(); }

/// Which activations share an int8 scale: activation_group() columns of a token, or the whole token (cheaper hardware, ten times the
/// error).
enum class ActivationScaling : unsigned char { group, token };

/// m tokens cut into tiles of `tile_m`, the last one widened to a width that has a kernel. Says where each tile begins.
struct TokenTiles {
  int m = 0;
  int tile_m = 1;
  int padded_k = 0;             // multiple of the group
  int group = activation_span;  // columns that share a scale

  int count() const { return (m + tile_m - 1) / tile_m; }
  int first(int tile) const { return tile * tile_m; }
  int valid(int tile) const { return std::min(tile_m, m - first(tile)); }
  /// The width that has a kernel and holds the tile's tokens: 1, 2, 4, 8 or tile_m.
  int width(int tile) const {
    for (int w = 1; w < tile_m; w *= 2)
      if (w >= valid(tile)) return w;
    return tile_m;
  }
  /// Tokens including those that pad the last tile.
  int padded_m() const { return m == 0 ? 0 : first(count() - 1) + width(count() - 1); }
  int groups() const { return padded_k / group; }
};

/// One token as floats, `width` apart (its column of the tile); zeros beyond k. With round_bf16 each is rounded to bf16 first.
template <Activation T>
void pack_f32(const T* x, int k, int padded_k, int width, bool round_bf16, float* out) {
  for (int i = 0; i < k; ++i) {
    const float value = to_float(x[i]);
    out[static_cast<std::ptrdiff_t>(i) * width] = round_bf16 ? bf16::encode(value).decode() : value;
  }
  for (int i = k; i < padded_k; ++i) out[static_cast<std::ptrdiff_t>(i) * width] = 0.0f;
}

/// activation_span columns of one token as floats, zeros beyond `count`; those of a whole span of floats are read where they lie.
template <Activation T>
const float* load_span(const T* x, int count, float (&out)[activation_span]) {
  if constexpr (std::is_same_v<T, float>)
    if (count >= activation_span) return x;
  if (count >= activation_span) {
    for (int i = 0; i < activation_span; ++i) out[i] = to_float(x[i]);
  } else {
    for (int i = 0; i < activation_span; ++i) out[i] = i < count ? to_float(x[i]) : 0.0f;
  }
  return out;
}

/// The same in bf16, pairs of columns side by side.
template <Activation T>
void pack_bf16(const T* x, int k, int padded_k, int width, bf16* out) {
  float buffer[activation_span];
  bf16 codes[activation_span];
  for (int begin = 0; begin < padded_k; begin += activation_span) {
    const float* span = load_span(x + std::min(begin, k), k - begin, buffer);
    for (int i = 0; i < activation_span; ++i) codes[i] = bf16::encode(span[i]);
    detail::spread_words<activation_span / 2>(codes, width, out + static_cast<std::ptrdiff_t>(begin) * width);
  }
}

/// Where the int8 form of a token goes, and how it is made.
struct Int8Target {
  SpanQuantizer quantizer;
  ActivationScaling scaling = ActivationScaling::group;
  int group = activation_span;      // columns that share a scale
  int width = 1;                    // quads, scales and offsets of a token lie this far apart
  std::int8_t* codes = nullptr;     // the token's first quad
  float* scales = nullptr;          // its first scale
  std::int32_t* offsets = nullptr;  // its first offset
};

/// The bits of the largest magnitude in columns [begin, end) of a token of k columns.
template <Activation T>
std::int32_t largest_bits(const SpanQuantizer& quantizer, const T* x, int k, int begin, int end) {
  float buffer[activation_span];
  std::int32_t largest = 0;
  for (int i = begin; i < std::min(end, k); i += activation_span)
    largest = std::max(largest, quantizer.largest(load_span(x + i, k - i, buffer)));
  return largest;
}

/// The same in int8, quads side by side: scale = absmax / 127 of each group of columns or of the token.
template <Activation T>
void pack_int8(const T* x, int k, int padded_k, const Int8Target& to) {
  float buffer[activation_span];
  const bool per_token = to.scaling == ActivationScaling::token;
  const std::int32_t of_token = per_token ? largest_bits(to.quantizer, x, k, 0, k) : 0;
  for (int begin = 0; begin < padded_k; begin += to.group) {
    const std::int32_t largest = per_token ? of_token : largest_bits(to.quantizer, x, k, begin, begin + to.group);
    const GroupScale scale = group_scale(largest, 127);
    std::int32_t sum = 0;
    for (int i = begin; i < begin + to.group; i += activation_span)
      sum += to.quantizer.encode(load_span(x + std::min(i, k), k - i, buffer), scale.inverse, to.width,
                                 to.codes + static_cast<std::ptrdiff_t>(i) * to.width);
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(begin / to.group) * to.width;
    to.scales[at] = scale.scale;
    to.offsets[at] = -128 * sum;
  }
}

/// Where the int16 form of a token goes, and how it is made. See Int8Target.
struct Int16Target {
  SpanQuantizer quantizer;
  int width = 1;
  std::int16_t* codes = nullptr;  // the token's first pair
  float* scales = nullptr;
};

/// The same in int16, pairs side by side: scale = absmax / int16_largest of each group of columns.
template <Activation T>
void pack_int16(const T* x, int k, int padded_k, const Int16Target& to) {
  float buffer[activation_span];
  for (int begin = 0; begin < padded_k; begin += int16_group) {
    const GroupScale scale = group_scale(largest_bits(to.quantizer, x, k, begin, begin + int16_group), int16_largest);
    for (int i = begin; i < begin + int16_group; i += activation_span)
      to.quantizer.encode_pairs(load_span(x + std::min(i, k), k - i, buffer), scale.inverse, to.width,
                                to.codes + static_cast<std::ptrdiff_t>(i) * to.width);
    to.scales[static_cast<std::ptrdiff_t>(begin / int16_group) * to.width] = scale.scale;
  }
}

}  // namespace vernier::cpu
