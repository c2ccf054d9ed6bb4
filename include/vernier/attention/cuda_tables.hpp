// How a batch is divided between the blocks of CUDA attention kernels: tiles of query rows, and of their keys either all or one split a
// block. Written on the host before each step, as plain arrays for the device; no division changes a result.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>

#include "vernier/attention/cuda_config.hpp"
#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"
#include "vernier/kv/sequence.hpp"
#include "vernier/policy/mask.hpp"

namespace vernier::cuda {

/// The work of a block for one kv head. Row r of a chunk is head r % group of its token r / group; a tile is so many rows as its kernel
/// has.
struct AttentionUnit {
  int chunk = 0;
  int row = 0;    // the first of the tile
  int split = 0;  // of keys, or all_splits
  int state = 0;  // row of the states where its own begin; none for all_splits
};
inline constexpr int all_splits = -1;

/// At most 16 rows whose states, of several splits, become their result: those of a split lie `stride` rows behind those of the one before.
struct AttentionMerge {
  int chunk = 0, row = 0, rows = 0;
  int splits = 0, state = 0, stride = 0;
  int unused[2] = {};
};

/// Rows of a small tile, one warp's, and of a large one. A chunk of more than two small tiles is divided into large ones.
inline constexpr int small_rows = 16, large_rows = 64;

/// What a batch is seen through: the same for all layers that have this window.
struct AttentionShape {
  int kv_heads = 1;
  int group = 1;   // query heads of a kv head
  int window = 0;  // a token sees itself and the window - 1 before it; 0 means every earlier token

  VERNIER_HD constexpr SlidingWindow mask() const { return {window > 0 ? window : 2147483647}; }
};

/// The lists, in device memory, and in `counts` how long they are: small, large, merges.
struct AttentionView {
  AttentionShape shape;
  const AttentionUnit *small = nullptr, *large = nullptr;
  const AttentionMerge* merges = nullptr;
  const int* counts = nullptr;
};

/// How many blocks of each list are launched for each kv head; a block takes every so-many-th entry, so that any number will do which is
/// not 0 where there are entries. For the launches that a graph records: numbers that do not depend on the batch.
struct AttentionGrid {
  int small = 0, large = 0, merges = 0;
};

/// What positions a tile of rows has; rows behind the last of the chunk count as the last one.
struct RowPositions {
  int first, last;
  VERNIER_HD static constexpr RowPositions of(int chunk_first, int count, int group, int row, int rows) {
    const int end = count * group - 1, last = row + rows - 1;
    return {chunk_first + (row < end ? row : end) / group, chunk_first + (last < end ? last : end) / group};
  }
};

/// The places of these lists in one block of ints, which is filled and copied as that of KvBatchTables is, once for each shape of a model.
class AttentionTables {
 public:
  /// For `units` entries of each list and `state_rows` rows of states: where a batch would take more, it is split less. From
  /// `enough_blocks` tiles times kv heads on it is not split at all: they keep the device busy, and states cost bandwidth. Throws Error on
  /// an impossible shape.
  AttentionTables(const AttentionShape& shape, int units, int state_rows, int enough_blocks)
      : shape_(shape), units_(units), state_rows_(state_rows), enough_blocks_(enough_blocks) {
    constexpr const char* where = "vernier::cuda::AttentionTables";
    expect(shape.kv_heads >= 1 && shape.group >= 1, where, "kv_heads = ", shape.kv_heads, ", group = ", shape.group,
           ", expected 1 or more");
    expect(shape.window >= 0, where, "window = ", shape.window, ", expected 0 (none) or more");
    expect(units >= 1 && state_rows >= 0, where, "units = ", units, ", state_rows = ", state_rows, ", expected 1 and 0 or more");
  }

  const AttentionShape& shape() const { return shape_; }
  /// Of AttentionWorkspaceView: states for each kv head.
  int state_rows() const { return state_rows_; }
  /// Ints of the block, which must be 16-byte aligned; a multiple of 4.
  std::size_t words() const { return static_cast<std::size_t>(16 * units_ + 4); }

  AttentionView view(const int* device) const {
    return {shape_, reinterpret_cast<const AttentionUnit*>(device), reinterpret_cast<const AttentionUnit*>(device + 4 * units_),
            reinterpret_cast<const AttentionMerge*>(device + 8 * units_), device + 16 * units_};
  }

  /// Writes the lists for a batch, whose chunks are those that KvBatchTables::fill was given, and returns how long they are. host: words()
  /// ints. Throws Error when there are more tiles than units.
  AttentionGrid fill(std::span<const KvChunk> batch, std::span<int> host) const {
    constexpr const char* where = "vernier::cuda::AttentionTables";
    expect(host.size() >= words(), where, "the block has ", host.size(), " ints, expected ", words());
    Tiles left{};  // not divided yet
    for (const KvChunk& chunk : batch) left.of(rows_of(chunk)) += ceil_div(rows_of(chunk), tile_rows(rows_of(chunk)));
    expect(left.small <= units_ && left.large <= units_, where, "the batch has ", left.small, " small and ", left.large,
           " large tiles of rows, but there is room for ", units_);
    const bool split = static_cast<long long>(left.small + left.large) * shape_.kv_heads < enough_blocks_;
    Lists lists{host.data(), units_};
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const int rows = rows_of(batch[i]), tile = tile_rows(rows);
      for (int row = (rows - 1) / tile * tile; row >= 0; row -= tile) {  // from the end: those take longest, and go first
        --left.of(rows);
        add_tile(lists, static_cast<int>(i), batch[i], row, split ? left.of(rows) : std::numeric_limits<int>::max());
      }
    }
    const int counts[4] = {lists.grid.small, lists.grid.large, lists.grid.merges, 0};
    std::memcpy(host.data() + 16 * units_, counts, sizeof counts);
    return lists.grid;
  }

 private:
  struct Tiles {
    int small = 0, large = 0;
    int& of(int rows) { return tile_rows(rows) == small_rows ? small : large; }
  };
  struct Lists {
    int* host;
    int units;
    AttentionGrid grid{};
    int states = 0;

    int& count(bool large) { return large ? grid.large : grid.small; }
    void add(bool large, const AttentionUnit& unit) {
      static_assert(sizeof unit == 16, "vernier::cuda::AttentionTables: a unit takes four ints of the block");
      std::memcpy(host + 4 * (large ? units : 0) + 4 * count(large)++, &unit, sizeof unit);
    }
    void add(const AttentionMerge& merge) {
      static_assert(sizeof merge == 32, "vernier::cuda::AttentionTables: a merge takes eight ints of the block");
      std::memcpy(host + 8 * units + 8 * grid.merges++, &merge, sizeof merge);
    }
  };

  int rows_of(const KvChunk& chunk) const { return chunk.count * shape_.group; }
  static constexpr int tile_rows(int rows) { return rows <= 2 * small_rows ? small_rows : large_rows; }

  /// A tile whose keys are split if there is room, behind which `reserved` others must still fit.
  void add_tile(Lists& lists, int index, const KvChunk& chunk, int row, int reserved) const {
    const bool large = tile_rows(rows_of(chunk)) == large_rows;
    const int rows = std::min(tile_rows(rows_of(chunk)), rows_of(chunk) - row), merges = ceil_div(rows, small_rows);
    const RowPositions positions = RowPositions::of(chunk.first, chunk.count, shape_.group, row, rows);
    const int first_split = shape_.mask().first_key(positions.first) / attention_split_keys;
    const int splits = ceil_div(shape_.mask().end_key(positions.last), attention_split_keys) - first_split;
    if (splits == 1 || splits > units_ - lists.count(large) - reserved || lists.grid.merges + merges > units_ ||
        splits > (state_rows_ - lists.states) / rows) {
      lists.add(large, {index, row, all_splits, 0});
      return;
    }
    for (int split = 0; split < splits; ++split) lists.add(large, {index, row, first_split + split, lists.states + split * rows});
    for (int i = 0; i < merges; ++i)
      lists.add(
          {index, row + i * small_rows, std::min(small_rows, rows - i * small_rows), splits, lists.states + i * small_rows, rows, {}});
    lists.states += splits * rows;
  }

  AttentionShape shape_;
  int units_, state_rows_, enough_blocks_;
};

}  // namespace vernier::cuda
