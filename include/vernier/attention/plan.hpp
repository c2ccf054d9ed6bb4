// How attention divides a batch: into items (one chunk, one kv head, a tile of consecutive tokens) and units (one item, one key split),
// and the units into one contiguous range per worker by their known cost. No memory is held and nothing is computed here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "vernier/attention/config.hpp"
#include "vernier/core/math.hpp"
#include "vernier/kv/cache.hpp"
#include "vernier/policy/mask.hpp"

namespace vernier::detail {

/// A tile of query tokens of one chunk and one kv head, with the pages that hold the keys it sees. Splits are cut at absolute key
/// positions, so that the same query meets the same splits in whatever chunk or batch it comes.
struct AttentionItem {
  const KvChunk* chunk = nullptr;
  int kv_head = 0;
  int row = 0;       // of q and out: the first token of the tile
  int position = 0;  // of that token
  int tokens = 0;
  int first_page = 0, end_page = 0;    // of the sequence
  int first_split = 0, end_split = 0;  // at least one, also when no key is seen, so that someone writes the zeros
  std::int64_t page_cost = 1;
};

class AttentionPlan {
 public:
  template <Mask M>
  AttentionPlan(const AttentionConfig& config, const KvLayout& layout, int heads, std::span<const KvChunk> batch, const M& mask)
      : kv_heads_(layout.geometry.kv_heads),
        group_(heads / kv_heads_),
        page_tokens_(layout.config.page_tokens),
        split_pages_(config.split_keys / page_tokens_),
        tile_tokens_(std::max(1, config.query_rows / group_)) {
    for_each_item(batch, mask, [&](const AttentionItem& item) {
      cost_ += item_cost(item);
      most_splits_ = std::max(most_splits_, item.end_split - item.first_split);
      most_tokens_ = std::max(most_tokens_, item.tokens);
      return true;
    });
  }

  int group() const { return group_; }
  int tile_tokens() const { return tile_tokens_; }
  int split_pages() const { return split_pages_; }
  /// Of any item: rows (tokens times heads of the group) and splits. What a workspace must hold.
  int most_rows() const { return most_tokens_ * group_; }
  int most_splits() const { return most_splits_; }

  /// How many of `threads` workers are worth waking: each should get a few microseconds of work.
  int workers(int threads) const { return static_cast<int>(std::clamp<std::int64_t>(cost_ / least_cost, 1, threads)); }

  /// Worker w owns the units whose cost range starts in [begin_of(w), begin_of(w + 1)).
  std::int64_t begin_of(int worker, int workers) const { return cost_ * worker / workers; }
  int owner_of(std::int64_t cost, int workers) const {
    int worker = 0;
    while (worker + 1 < workers && begin_of(worker + 1, workers) <= cost) ++worker;
    return worker;
  }

  /// The pages of the item in one of its splits, [first, end).
  int split_first_page(const AttentionItem& item, int split) const { return std::max(item.first_page, split * split_pages_); }
  int split_end_page(const AttentionItem& item, int split) const { return std::min(item.end_page, (split + 1) * split_pages_); }
  std::int64_t split_cost(const AttentionItem& item, int split) const {
    return std::max(1, split_end_page(item, split) - split_first_page(item, split)) * item.page_cost;
  }
  std::int64_t item_cost(const AttentionItem& item) const { return std::max(1, item.end_page - item.first_page) * item.page_cost; }

  /// Calls f(item) in a fixed order until it returns false: chunk, then kv head (its keys stay in the cache of one core), then token.
  template <Mask M, class F>
  void for_each_item(std::span<const KvChunk> batch, const M& mask, F&& f) const {
    int row = 0;
    for (const KvChunk& chunk : batch) {
      for (int head = 0; head < kv_heads_; ++head)
        for (int token = 0; token < chunk.count; token += tile_tokens_)
          if (!f(make_item(chunk, head, row, token, mask))) return;
      row += chunk.count;
    }
  }

 private:
  // Cost is counted in multiply-add columns: rows of the tile, and about four rows' worth for reading and decoding a page.
  static constexpr int read_cost = 4;
  static constexpr std::int64_t least_cost = 32;

  template <Mask M>
  AttentionItem make_item(const KvChunk& chunk, int head, int row, int token, const M& mask) const {
    AttentionItem item{.chunk = &chunk, .kv_head = head, .row = row + token, .position = chunk.first + token};
    item.tokens = std::min(tile_tokens_, chunk.count - token);
    const int first_key = mask.first_key(item.position), end_key = mask.end_key(item.position + item.tokens - 1);
    item.first_page = first_key / page_tokens_;
    item.end_page = std::max(item.first_page, ceil_div(end_key, page_tokens_));
    item.first_split = item.first_page / split_pages_;
    item.end_split = std::max(item.first_split + 1, ceil_div(item.end_page, split_pages_));
    item.page_cost = item.tokens * group_ + read_cost;
    return item;
  }

  int kv_heads_, group_, page_tokens_, split_pages_, tile_tokens_;
  int most_splits_ = 1, most_tokens_ = 1;
  std::int64_t cost_ = 0;
};

}  // namespace vernier::detail
