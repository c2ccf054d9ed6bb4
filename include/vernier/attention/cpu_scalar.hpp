// The portable micro-kernel of attention: plain loops, one decoded key or value at a time for all rows. It defines what the vector
// versions compute, in the same order of multiply-adds (theirs are fused, or take two products at once); it is not meant to be fast.
#pragma once

#include <cmath>

#include "vernier/attention/tile.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier::cpu::scalar {

/// Chains of the sum of weights: key j of a tile adds to chain j mod 16, and the chains are added in order.
inline constexpr int sum_lanes = 16;

/// The value of a code without its scale, for codes in the order of KvLayout with rows of `columns`.
template <Precision P>
float decode_code(const std::uint8_t* codes, int columns, int row, int column) {
  using Signed = decltype(TypeOf<P>{}.bits);
  const auto* const typed = reinterpret_cast<const CodeOf<P>*>(codes);
  return TypeOf<P>{static_cast<Signed>(typed[KvLayout::index(KvLayout::pack(P), columns, row, column)])}.decode();
}

/// Calls f(row) for the rows that see key j of the tile.
template <class F>
void for_rows_that_see(const KeyTile& tile, const RowBlock& block, int j, F&& f) {
  for (int row = 0; row < block.rows; ++row) {
    const KeyRange range = key_range(tile, block, row / block.group);
    if (range.begin <= j && j < range.end) f(row);
  }
}

/// Turns the scores of a row into weights.
inline OnlineSoftmax weigh_row(KeyRange range, float* scores) {
  OnlineSoftmax state;
  for (int j = range.begin; j < range.end; ++j)
    state.max = scores[j] > state.max ? scores[j] : state.max;  // passes over NaN, whose weight will be NaN
  float sum[sum_lanes] = {};
  for (int j = range.begin; j < range.end; ++j) sum[j % sum_lanes] += scores[j] = std::exp2(scores[j] - state.max);
  for (float lane : sum) state.sum += lane;
  return state;
}

/// See TileKernel.
template <Precision P>
void attention_tile(const KeyTile& tile, const RowBlock& block) {
  const int n = tile.page_tokens, dim = tile.head_dim, stride = tile.value_stride;
  float element[256];
  for (int j = 0; j < tile.keys(); ++j) {
    const ConstKvRun& run = tile.runs[j / n];
    for (int d = 0; d < dim; ++d) element[d] = decode_code<P>(run.keys, n, d, j % n);
    for_rows_that_see(tile, block, j, [&](int row) {
      float score = 0;
      for (int d = 0; d < dim; ++d) score += block.q[row * dim + d] * element[d];
      if constexpr (has_kv_scale(P)) score *= run.key_scales[j % n];
      block.scores[row * most_tile_keys + j] = score;
    });
  }
  for (int row = 0; row < block.rows; ++row) {
    block.state[row] = weigh_row(key_range(tile, block, row / block.group), block.scores + row * most_tile_keys);
    for (int i = 0; i < stride; ++i) block.acc[row * stride + i] = 0;
  }
  for (int j = 0; j < tile.keys(); ++j) {
    const ConstKvRun& run = tile.runs[j / n];
    for (int d = 0; d < dim; ++d) element[d] = decode_code<P>(run.values, stride, j % n, d);
    for_rows_that_see(tile, block, j, [&](int row) {
      float weight = block.scores[row * most_tile_keys + j];
      if constexpr (has_kv_scale(P)) weight *= run.value_scales[j % n];
      for (int d = 0; d < dim; ++d) block.acc[row * stride + d] += weight * element[d];
    });
  }
}

}  // namespace vernier::cpu::scalar
