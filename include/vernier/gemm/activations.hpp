// Activations in the order in which micro-kernels read them: converted, quantised where asked, and interleaved by token.
// The layout is described at cpu::Tile. Memory belongs to a GemmWorkspace.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "vernier/core/matrix_view.hpp"
#include "vernier/cpu/tile.hpp"
#include "vernier/gemm/config.hpp"
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

/// Which activations share an int8 scale: 32 columns of a token, or the whole token (cheaper hardware, ten times the error).
enum class ActivationScaling : unsigned char { group, token };

/// m tokens cut into tiles of `tile_m`, the last one widened to a width that has a kernel. Says where each tile begins.
struct TokenTiles {
  int m = 0;
  int tile_m = 1;
  int padded_k = 0;  // multiple of activation_group

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
  /// Where the tile starts, in elements of (tokens, padded_k) and of (tokens, groups).
  std::size_t offset(int tile) const { return static_cast<std::size_t>(first(tile)) * static_cast<std::size_t>(padded_k); }
  int groups() const { return padded_k / activation_group; }
  std::size_t group_offset(int tile) const { return static_cast<std::size_t>(first(tile)) * static_cast<std::size_t>(groups()); }
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

/// The same in bf16, pairs of columns side by side.
template <Activation T>
void pack_bf16(const T* x, int k, int padded_k, int width, bf16* out) {
  for (int i = 0; i < padded_k; ++i) {
    bf16& to = out[static_cast<std::ptrdiff_t>(i / 2) * width * 2 + i % 2];
    if constexpr (std::is_same_v<T, bf16>)
      to = i < k ? x[i] : bf16{};
    else
      to = i < k ? bf16::encode(to_float(x[i])) : bf16{};
  }
}

/// The same in int8, quads side by side: scale = absmax / 127 of each group of 32 columns or of the token. A group that holds NaN or
/// infinity gets the scale NaN, and so does the token's result.
template <Activation T>
void pack_int8(const T* x, int k, int padded_k, int width, ActivationScaling scaling, std::int8_t* out, float* scales,
               std::int32_t* offsets) {
  const int span = scaling == ActivationScaling::token ? padded_k : activation_group;
  for (int begin = 0; begin < padded_k; begin += span) {
    float absmax = 0;
    bool finite = true;
    for (int i = begin; i < std::min(k, begin + span); ++i) {
      const float magnitude = std::fabs(to_float(x[i]));
      finite = finite && magnitude <= std::numeric_limits<float>::max();
      absmax = std::max(absmax, magnitude);
    }
    const float scale = absmax / 127.0f, inverse = scale > 0 && finite ? 1.0f / scale : 0.0f;
    for (int i = begin; i < begin + span; i += activation_group) {
      std::int32_t sum = 0;
      for (int j = i; j < i + activation_group; ++j) {
        const std::int8_t code = j < k && finite ? i8::encode(to_float(x[j]) * inverse).bits : std::int8_t{0};
        out[static_cast<std::ptrdiff_t>(j / 4) * width * 4 + j % 4] = code;
        sum += code;
      }
      scales[static_cast<std::ptrdiff_t>(i / activation_group) * width] = finite ? scale : std::numeric_limits<float>::quiet_NaN();
      offsets[static_cast<std::ptrdiff_t>(i / activation_group) * width] = -128 * sum;
    }
  }
}

}  // namespace vernier::cpu
