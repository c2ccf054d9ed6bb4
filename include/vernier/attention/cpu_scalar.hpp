// The portable micro-kernel of attention: plain loops over a decoded tile. It defines what the vector versions compute, in the same order
// of multiply-adds (theirs are fused); it is not meant to be fast.
#pragma once

#include <cmath>
#include <limits>

#include "vernier/attention/tile.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier::cpu::scalar {

/// out(row, column) = the value of its code, without its scale; (rows, columns), codes in the order of KvLayout.
template <Precision P>
void decode_codes(const std::uint8_t* codes, float* out, int rows, int columns) {
  const CodeOf<P>* const typed = reinterpret_cast<const CodeOf<P>*>(codes);
  using Signed = decltype(TypeOf<P>{}.bits);
  for (int row = 0; row < rows; ++row)
    for (int column = 0; column < columns; ++column)
      out[row * columns + column] =
          TypeOf<P>{static_cast<Signed>(typed[KvLayout::index(KvLayout::pack(P), columns, row, column)])}.decode();
}

/// See TileKernel.
template <Precision P>
void attention_tile(const KeyTile& tile, const RowBlock& block) {
  const int n = tile.page_tokens, dim = tile.head_dim, stride = tile.value_stride;
  float* const keys = block.decoded;              // (head_dim, page_tokens)
  float* const values = block.decoded + dim * n;  // (page_tokens, value_stride)
  decode_codes<P>(tile.run.keys, keys, dim, n);
  decode_codes<P>(tile.run.values, values, n, stride);

  for (int row = 0; row < block.rows; ++row) {
    const KeyRange range = key_range(tile, block, row / block.group);
    if (range.begin >= range.end) continue;
    const float* const q = block.q + row * dim;
    float *const s = block.scores + row * n, *const acc = block.acc + row * stride, *const sum = block.sum + row * sum_lanes;
    for (int j = 0; j < n; ++j) s[j] = 0;
    for (int d = 0; d < dim; ++d)
      for (int j = 0; j < n; ++j) s[j] += q[d] * keys[d * n + j];

    float largest = -std::numeric_limits<float>::infinity();
    for (int j = range.begin; j < range.end; ++j) {
      if constexpr (has_kv_scale(P)) s[j] *= tile.run.key_scales[j];
      largest = s[j] > largest ? s[j] : largest;
    }
    const float before = block.max[row], now = before > largest ? before : largest;
    const float shrink = before == now ? 1.0f : std::exp2(before - now);
    block.max[row] = now;
    for (int i = 0; i < sum_lanes; ++i) sum[i] *= shrink;
    for (int i = 0; i < stride; ++i) acc[i] *= shrink;
    for (int j = range.begin; j < range.end; ++j) {
      float weight = std::exp2(s[j] - now);
      sum[j % sum_lanes] += weight;
      if constexpr (has_kv_scale(P)) weight *= tile.run.value_scales[j];
      for (int i = 0; i < stride; ++i) acc[i] += weight * values[j * stride + i];
    }
  }
}

}  // namespace vernier::cpu::scalar
