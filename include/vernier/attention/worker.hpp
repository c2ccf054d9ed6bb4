// What one worker does with its share of an attention plan, and the memory it needs for that. Order of summation: keys ascending within
// a split, splits ascending within a query; both are fixed by key positions, so threads and batches change no bit.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vernier/attention/kernels.hpp"
#include "vernier/attention/online_softmax.hpp"
#include "vernier/attention/plan.hpp"
#include "vernier/attention/tile.hpp"
#include "vernier/core/buffer.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/kv/cache.hpp"

namespace vernier {

/// Scratch memory of attention(), kept between calls so that a warm call does not allocate. One per thread pool; not shared by two
/// calls at once. Also the place where the instruction set is chosen.
class AttentionWorkspace {
 public:
  explicit AttentionWorkspace(cpu::Isa isa = cpu::selected_isa()) : isa_(isa) {}
  cpu::Isa isa() const { return isa_; }

  /// One worker's memory. Rows are those of an item.
  struct Worker {
    Buffer<float> q, q_scale, acc, scores, total_acc;
    Buffer<int> first, end;
    Buffer<std::uint16_t> q_codes;
    std::vector<OnlineSoftmax> state, total;
    // Of the one tile that this worker may share with later ones: a state per split and row.
    Buffer<float> shared_acc;
    std::vector<OnlineSoftmax> shared;
    detail::AttentionItem shared_item;
    bool has_shared = false;
  };
  Worker& worker(int i) { return workers_[static_cast<std::size_t>(i)]; }

  /// Grows what is too small for the plan.
  void reserve(const detail::AttentionPlan& plan, const KvLayout& layout, int workers) {
    if (workers_.size() < static_cast<std::size_t>(workers)) workers_.resize(static_cast<std::size_t>(workers));
    const auto rows = static_cast<std::size_t>(plan.most_rows()), stride = static_cast<std::size_t>(layout.value_stride());
    for (int i = 0; i < workers; ++i) {
      Worker& w = worker(i);
      w.q.reserve_discard(rows * static_cast<std::size_t>(layout.geometry.head_dim));
      w.q_codes.reserve_discard(rows * static_cast<std::size_t>(layout.geometry.head_dim));
      w.q_scale.reserve_discard(rows);
      w.acc.reserve_discard(rows * stride);
      w.total_acc.reserve_discard(rows * stride);
      w.first.reserve_discard(rows);
      w.end.reserve_discard(rows);
      w.scores.reserve_discard(rows * most_tile_keys);
      if (w.state.size() < rows) w.state.resize(rows);
      if (w.total.size() < rows) w.total.resize(rows);
      const std::size_t states = workers > 1 ? rows * static_cast<std::size_t>(plan.most_splits()) : 0;
      w.shared_acc.reserve_discard(states * stride);
      if (w.shared.size() < states) w.shared.resize(states);
    }
  }

 private:
  cpu::Isa isa_;
  std::vector<Worker> workers_;
};

namespace detail {

/// One call of attention(), as its workers see it.
template <Mask M>
struct AttentionTask {
  const KvCache& cache;
  int layer;
  std::span<const KvChunk> batch;
  MatrixView<const float> q;
  MatrixView<float> out;
  const M& mask;
  float scale;
  const AttentionPlan& plan;
  AttentionWorkspace& workspace;
  int workers;

  /// Computes the units of one worker. Items that it owns whole are written to out; of others the states of its splits are kept.
  void work(int worker) const {
    const std::int64_t begin = plan.begin_of(worker, workers), end = plan.begin_of(worker + 1, workers);
    AttentionWorkspace::Worker& mine = workspace.worker(worker);
    mine.has_shared = false;
    std::int64_t cost = 0;
    plan.for_each_item(batch, mask, [&](const AttentionItem& item) {
      const std::int64_t first_cost = cost, end_cost = cost + plan.item_cost(item);
      cost = end_cost;
      if (end_cost > begin && first_cost < end) run_item(worker, item, first_cost);
      return end_cost < end;
    });
  }

  /// After every worker's work(): merges the tile that this worker began and later ones ended.
  void finish_shared(int worker) const {
    AttentionWorkspace::Worker& mine = workspace.worker(worker);
    if (!mine.has_shared) return;
    const AttentionItem& item = mine.shared_item;
    const int rows = item.tokens * plan.group();
    reset_total(mine, rows);
    for (int split = item.first_split; split < item.end_split; ++split)
      merge(mine, rows, mine.shared.data() + state_index(item, split), mine.shared_acc.data() + state_index(item, split) * stride());
    write(mine, item);
  }

 private:
  std::size_t stride() const { return static_cast<std::size_t>(cache.layout().value_stride()); }
  std::size_t state_index(const AttentionItem& item, int split) const {
    return static_cast<std::size_t>(split - item.first_split) * static_cast<std::size_t>(item.tokens * plan.group());
  }

  /// Computes this worker's splits of an item whose costs start at first_cost. An item whose units lie with one worker is merged as it
  /// goes; of any other, each split's state goes to the memory of the worker that owns its first unit, and finish_shared() merges them
  /// there. A worker owns the start of at most one such item, its last.
  void run_item(int worker, const AttentionItem& item, std::int64_t first_cost) const {
    const std::int64_t begin = plan.begin_of(worker, workers), end = plan.begin_of(worker + 1, workers);
    const std::int64_t last_cost = first_cost + plan.item_cost(item) - plan.split_cost(item, item.end_split - 1);
    const bool starts_here = first_cost >= begin, whole = starts_here && last_cost < end;
    const int rows = item.tokens * plan.group();
    AttentionWorkspace::Worker& mine = workspace.worker(worker);
    AttentionWorkspace::Worker& owner = starts_here ? mine : workspace.worker(plan.owner_of(first_cost, workers));

    bool prepared = false;
    std::int64_t cost = first_cost;
    for (int split = item.first_split; split < item.end_split; cost += plan.split_cost(item, split), ++split) {
      if (cost < begin || cost >= end) continue;
      if (!prepared) prepare(mine, item);
      prepared = true;
      run_split(mine, item, split);
      OnlineSoftmax* const states = owner.shared.data() + (whole ? 0 : state_index(item, split));
      if (whole)
        merge_split(mine, rows);
      else
        store_split(mine, rows, states, owner.shared_acc.data() + state_index(item, split) * stride());
    }
    if (whole) write(mine, item);
    if (starts_here && !whole) {
      mine.has_shared = true;
      mine.shared_item = item;
    }
  }

  /// Gathers the rows of q, scaled for powers of two, and the keys that each token sees.
  void prepare(AttentionWorkspace::Worker& mine, const AttentionItem& item) const {
    const int dim = cache.geometry().head_dim, group = plan.group();
    const float factor = scale * 1.44269504088896341f;
    float* to = mine.q.data();
    for (int token = 0; token < item.tokens; ++token) {
      const float* from = q.row(item.row + token) + item.kv_head * group * dim;
      for (int i = 0; i < group * dim; ++i) *to++ = from[i] * factor;
      mine.first[static_cast<std::size_t>(token)] = mask.first_key(item.position + token);
      mine.end[static_cast<std::size_t>(token)] = mask.end_key(item.position + token);
    }
    if (const PrepareKernel kernel = kernels().prepare) kernel(row_block(mine, item.tokens * group), dim);
    reset_total(mine, item.tokens * group);
  }

  /// One key split, which is one tile.
  void run_split(AttentionWorkspace::Worker& mine, const AttentionItem& item, int split) const {
    const KvLayout& layout = cache.layout();
    const int first = plan.split_first_page(item, split), pages = plan.split_end_page(item, split) - first;
    const int known = std::min(item.end_page - first, 2 * pages);  // the next tile too, whose keys are fetched
    std::array<ConstKvRun, 2 * most_tile_pages> runs;
    for (int i = 0; i < known; ++i)
      runs[static_cast<std::size_t>(i)] = cache.run(layer, item.kv_head, item.chunk->pages[static_cast<std::size_t>(first + i)]);
    const KeyTile tile{.runs = runs.data(),
                       .pages = std::max(pages, 0),
                       .ahead = known - pages,
                       .start = first * layout.config.page_tokens,
                       .page_tokens = layout.config.page_tokens,
                       .head_dim = layout.geometry.head_dim,
                       .value_stride = layout.value_stride()};
    kernels().tile(tile, row_block(mine, item.tokens * plan.group()));
  }

  AttentionKernel kernels() const { return attention_kernel(workspace.isa(), cache.config().precision); }

  RowBlock row_block(AttentionWorkspace::Worker& mine, int rows) const {
    return {.rows = rows,
            .group = plan.group(),
            .q = mine.q.data(),
            .first = mine.first.data(),
            .end = mine.end.data(),
            .state = mine.state.data(),
            .acc = mine.acc.data(),
            .scores = mine.scores.data(),
            .q_codes = mine.q_codes.data(),
            .q_scale = mine.q_scale.data()};
  }

  void reset_total(AttentionWorkspace::Worker& mine, int rows) const {
    std::fill_n(mine.total.begin(), rows, OnlineSoftmax{});
    std::fill_n(mine.total_acc.data(), static_cast<std::size_t>(rows) * stride(), 0.0f);
  }

  /// Merges the split that was just run into the totals.
  void merge_split(AttentionWorkspace::Worker& mine, int rows) const {
    for (int row = 0; row < rows; ++row) {
      const std::size_t at = static_cast<std::size_t>(row) * stride();
      mine.total[static_cast<std::size_t>(row)].merge(mine.total_acc.data() + at, mine.state[static_cast<std::size_t>(row)],
                                                      mine.acc.data() + at, static_cast<int>(stride()));
    }
  }

  /// Keeps the split that was just run for a later merge.
  void store_split(const AttentionWorkspace::Worker& mine, int rows, OnlineSoftmax* states, float* acc) const {
    std::copy_n(mine.state.begin(), rows, states);
    std::copy_n(mine.acc.data(), static_cast<std::size_t>(rows) * stride(), acc);
  }

  void merge(AttentionWorkspace::Worker& mine, int rows, const OnlineSoftmax* states, const float* acc) const {
    for (int row = 0; row < rows; ++row) {
      const std::size_t at = static_cast<std::size_t>(row) * stride();
      mine.total[static_cast<std::size_t>(row)].merge(mine.total_acc.data() + at, states[row], acc + at, static_cast<int>(stride()));
    }
  }

  /// The totals, divided by their sums, to the rows and heads of out.
  void write(const AttentionWorkspace::Worker& mine, const AttentionItem& item) const {
    const int dim = cache.geometry().head_dim, group = plan.group();
    for (int row = 0; row < item.tokens * group; ++row)
      mine.total[static_cast<std::size_t>(row)].finish(mine.total_acc.data() + static_cast<std::size_t>(row) * stride(),
                                                       out.row(item.row + row / group) + (item.kv_head * group + row % group) * dim, dim);
  }
};

}  // namespace detail
}  // namespace vernier
