// Cosines and sines of rotary position embedding, as the KV cache and attention read them: a view of somebody's table. The table itself,
// with the kinds of scaling, is made in ops/rope.hpp.
#pragma once

#include <cstddef>

#include "vernier/core/macros.hpp"

namespace vernier {

/// Cosines and sines of `half` angles for each position, in the 'halves' layout: elements i and i + half of a head are a pair, and
/// elements from 2 * half on are not turned. half = 0 turns nothing.
struct RotaryView {
  const float* cos = nullptr;  // (positions, half), rows `stride` apart
  const float* sin = nullptr;  // (positions, half), rows `stride` apart
  int positions = 0;
  int half = 0;
  std::ptrdiff_t stride = 0;  // elements from one position to the next

  VERNIER_HD const float* cos_row(int position) const { return cos + position * stride; }
  VERNIER_HD const float* sin_row(int position) const { return sin + position * stride; }
};

/// The view of a table with cos(position), sin(position), half() and positions(), such as ops::RopeTable.
template <class Table>
RotaryView rotary_view(const Table& table) {
  if (table.positions() == 0) return {nullptr, nullptr, 0, table.half(), 0};
  return {table.cos(0), table.sin(0), table.positions(), table.half(), table.positions() > 1 ? table.cos(1) - table.cos(0) : 0};
}

}  // namespace vernier
