// The border between the work division of attention and its micro-kernels: one call handles one key tile (a split of one kv head) for a
// block of query rows. Everything that crosses it is plain memory, so each instruction set has its own file behind it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "vernier/attention/online_softmax.hpp"
#include "vernier/kv/layout.hpp"

namespace vernier {

/// The largest tile: a split of 256 keys, which is at most 16 pages.
inline constexpr int most_tile_keys = 256, most_tile_pages = most_tile_keys / 16;

/// The pages of one split of one kv head. Tiles are cut at absolute positions, so a query meets the same tiles in any batch.
struct KeyTile {
  const ConstKvRun* runs = nullptr;  // (pages + ahead): this tile's, then those that are read next
  int pages = 0;
  int ahead = 0;
  int start = 0;  // position of its first key
  int page_tokens = 0;
  int head_dim = 0;
  int value_stride = 0;

  int keys() const { return pages * page_tokens; }
  /// The scales from key j on, up to the end of its page.
  const float* key_scales(int j) const { return runs[page_of(j)].key_scales + slot_of(j); }
  const float* value_scales(int j) const { return runs[page_of(j)].value_scales + slot_of(j); }
  int page_of(int j) const { return j >> std::countr_zero(static_cast<unsigned>(page_tokens)); }  // pages are powers of two
  int slot_of(int j) const { return j & (page_tokens - 1); }
};

/// Query rows that share a kv head: row t * group + g is token t of the block and head g of the group. A row's result depends on
/// that row alone, whatever the others are.
struct RowBlock {
  int rows = 0;
  int group = 1;                   // query heads per kv head
  float* q = nullptr;              // (rows, head_dim), multiplied by the softmax scale and log2(e)
  const int* first = nullptr;      // (rows / group): the first key position that each token sees
  const int* end = nullptr;        // (rows / group): one past the last
  OnlineSoftmax* state = nullptr;  // (rows): result; empty for a row that sees no key of the tile
  float* acc = nullptr;            // (rows, value_stride): result, meaningless where the state is empty
  float* scores = nullptr;         // (rows, most_tile_keys): scratch
  // Scratch of kernels that multiply pairs of 16-bit codes; see PrepareKernel.
  std::uint16_t* q_codes = nullptr;  // (rows, head_dim)
  float* q_scale = nullptr;          // (rows)
};

/// Computes the state and the accumulator of each row over the keys of the tile that it may see.
using TileKernel = void (*)(const KeyTile&, const RowBlock&);

/// Called once for a block of rows before its tiles: makes of q, whose rows have head_dim elements, what the tiles want instead.
using PrepareKernel = void (*)(const RowBlock&, int head_dim);

/// The functions of one instruction set for one precision.
struct AttentionKernel {
  TileKernel tile = nullptr;
  PrepareKernel prepare = nullptr;  // null when the tiles take q as it is
};

/// Keys [begin, end) of a tile, counted from its start; empty when begin >= end.
struct KeyRange {
  int begin = 0, end = 0;
  bool empty() const { return begin >= end; }
};

/// The keys of the tile that token t sees.
inline KeyRange key_range(const KeyTile& tile, const RowBlock& block, int token) {
  return {std::max(block.first[token] - tile.start, 0), std::min(block.end[token] - tile.start, tile.keys())};
}

/// The rows that see any of the keys [begin, end) of the tile, from the first to the last of them.
struct RowRange {
  int begin = 0, end = 0;
};
inline RowRange rows_that_see(const KeyTile& tile, const RowBlock& block, KeyRange keys) {
  RowRange rows{block.rows, 0};
  for (int token = 0; token < block.rows / block.group; ++token) {
    const KeyRange range = key_range(tile, block, token);
    if (range.empty() || range.begin >= keys.end || range.end <= keys.begin) continue;
    rows.begin = std::min(rows.begin, token * block.group);
    rows.end = (token + 1) * block.group;
  }
  return rows;
}

/// Asks for the scales of a page, long before they are read. No run of lines leads a processor to them.
inline void fetch_scales(const KeyTile& tile, int page) {
  const int bytes = 2 * tile.page_tokens * static_cast<int>(sizeof(float));  // of keys, and straight behind them of values
  for (int at = 0; at < bytes; at += 64) __builtin_prefetch(reinterpret_cast<const char*>(tile.runs[page].key_scales) + at, 0, 2);
}

/// Calls add(row, count, range) so that every row gets its own range of keys in ascending order, and as many rows as possible share a
/// call: first the keys that only some see, at the edge of a window, then those that all see, then the causal edge. Ranges are widened to
/// multiples of `step`.
template <class F>
void for_shared_ranges(std::span<KeyRange> ranges, int step, F&& add) {
  const int rows = static_cast<int>(ranges.size());
  KeyRange common = {0, most_tile_keys};
  for (KeyRange& range : ranges) {
    range = {range.begin & -step, (range.end + step - 1) & -step};
    common = {std::max(common.begin, range.begin), std::min(common.end, range.end)};
  }
  if (common.empty()) common = {0, 0};
  for (int row = 0; row < rows; ++row)
    if (const KeyRange& all = ranges[static_cast<std::size_t>(row)]; all.begin < std::min(all.end, common.begin))
      add(row, 1, KeyRange{all.begin, std::min(all.end, common.begin)});
  if (!common.empty()) add(0, rows, common);
  for (int row = 0; row < rows; ++row)
    if (const KeyRange& all = ranges[static_cast<std::size_t>(row)]; std::max(all.begin, common.end) < all.end)
      add(row, 1, KeyRange{std::max(all.begin, common.end), all.end});
}

}  // namespace vernier
