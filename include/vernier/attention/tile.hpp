// The border between the work division of attention and its micro-kernels: one call handles one key tile (a page of one kv head) for a
// block of query rows. Everything that crosses it is plain memory, so each instruction set has its own file behind it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vernier/kv/layout.hpp"

namespace vernier {

/// One page of keys and values of one kv head.
struct KeyTile {
  ConstKvRun run;
  int start = 0;  // position of its first key
  int page_tokens = 0;
  int head_dim = 0;
  int value_stride = 0;
  const std::uint8_t* next = nullptr;  // the run of the following tile, to be fetched meanwhile; null after the last
  int run_bytes = 0;
};

/// Query rows that share a kv head: row t * group + g is token t of the block and head g of the group. A row's result depends on
/// that row alone, whatever the others are.
struct RowBlock {
  int rows = 0;
  int group = 1;               // query heads per kv head
  const float* q = nullptr;    // (rows, head_dim), multiplied by the softmax scale and log2(e)
  const int* first = nullptr;  // (rows / group): the first key position that each token sees
  const int* end = nullptr;    // (rows / group): one past the last
  float* max = nullptr;        // (rows): state, see OnlineSoftmax
  float* sum = nullptr;        // (rows, sum_lanes): state; the sum is cut into lanes that finish() adds up
  float* acc = nullptr;        // (rows, value_stride): state
  float* scores = nullptr;     // (rows, page_tokens): scratch
  float* shrink = nullptr;     // (rows): scratch
  float* decoded = nullptr;    // decoded_floats(): scratch for a decoded tile
  // Scratch of kernels that multiply integers; see PrepareKernel.
  std::int16_t* q_codes = nullptr;  // (rows, head_dim)
  float* q_scale = nullptr;         // (rows)
  float* weight_scale = nullptr;    // (rows)
};

/// Key j of a tile adds to lane j % sum_lanes.
inline constexpr int sum_lanes = 16;

/// Scratch for the keys and values of one tile as floats.
constexpr std::size_t decoded_floats(const KvLayout& layout) {
  return static_cast<std::size_t>(layout.config.page_tokens) * static_cast<std::size_t>(layout.geometry.head_dim + layout.value_stride());
}

/// Adds the keys of the tile that each row may see to the row's state.
using TileKernel = void (*)(const KeyTile&, const RowBlock&);

/// Called once for a block of rows before its tiles: derives from q, whose rows have head_dim elements, what the tiles want instead.
using PrepareKernel = void (*)(const RowBlock&, int head_dim);

/// The functions of one instruction set for one precision.
struct AttentionKernel {
  TileKernel tile = nullptr;
  PrepareKernel prepare = nullptr;  // null when the tiles take q as it is
};

/// The keys of the tile that token t sees, [begin, end) counted from the tile's start; empty when begin >= end.
struct KeyRange {
  int begin = 0, end = 0;
  friend constexpr bool operator==(const KeyRange&, const KeyRange&) = default;
};
inline KeyRange key_range(const KeyTile& tile, const RowBlock& block, int token) {
  const int begin = block.first[token] - tile.start, end = block.end[token] - tile.start;
  return {begin > 0 ? begin : 0, end < tile.page_tokens ? end : tile.page_tokens};
}

/// Calls f(row, row_end, range) for each run of rows whose tokens see the same keys of the tile: all rows at once, except at its causal
/// or window edge. Rows that see none are left out.
template <class F>
void for_each_run(const KeyTile& tile, const RowBlock& block, F&& f) {
  const int tokens = block.rows / block.group;
  for (int token = 0; token < tokens;) {
    const KeyRange range = key_range(tile, block, token);
    int next = token + 1;
    while (next < tokens && key_range(tile, block, next) == range) ++next;
    if (range.begin < range.end) f(token * block.group, next * block.group, range);
    token = next;
  }
}

/// The rows that see any key of the tile, from the first to the last of them.
struct RowRange {
  int begin = 0, end = 0;
};
inline RowRange visible_rows(const KeyTile& tile, const RowBlock& block) {
  RowRange rows{block.rows, 0};
  for_each_run(tile, block, [&](int row, int row_end, KeyRange) {
    rows.begin = row < rows.begin ? row : rows.begin;
    rows.end = row_end;
  });
  return rows;
}

}  // namespace vernier
