// A batch on its way to a CUDA device: all that kernels read of it, in one block of integers that is copied at once before a step. The
// block stays where it is, so that recorded launches find every batch there.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "common/model/config.hpp"
#include "common/model/output.hpp"
#include "vernier/attention/cuda_tables.hpp"
#include "vernier/core/math.hpp"
#include "vernier/cuda/memory.cuh"
#include "vernier/kv/batch_tables.hpp"
#include "vernier/kv/cache.cuh"
#include "vernier/ops/sample_row.hpp"

namespace vernier::model {

/// Numbers of rows, in the device's memory.
struct CudaIndices {
  const int* data = nullptr;
  int count = 0;

  std::size_t size() const { return static_cast<std::size_t>(count); }
};

/// How attention is divided between blocks, in the layers with one window.
struct CudaAttentionPlan {
  cuda::AttentionView view;
  cuda::AttentionGrid grid;
};

/// What kernels see of a batch.
struct CudaBatch {
  cuda::KvBatchView kv;
  CudaIndices outputs;
  const ops::SampleRow* samples = nullptr;  // (outputs)
  const ops::LogitAdjustment* adjustments = nullptr;
  std::array<CudaAttentionPlan, 2> attention;  // with the model's window and without one; the same where it has none

  const CudaAttentionPlan& attention_for(int window) const { return attention[window == attention[0].view.shape.window ? 0 : 1]; }
};

/// How many of each thing a block has room for.
struct CudaBatchRoom {
  int tokens = 0, outputs = 0, chunks = 0, pages = 0, adjustments = 0;

  /// Whether it had to grow to hold `other`; it at least doubles then.
  bool grow(const CudaBatchRoom& other) {
    bool grown = false;
    const auto one = [&grown](int& have, int want, int least) {
      if (want <= have) return;
      have = std::max({want, 2 * have, least});
      grown = true;
    };
    one(tokens, other.tokens, 8);
    one(outputs, other.outputs, 8);
    one(chunks, other.chunks, 8);
    one(pages, other.pages, 256);
    one(adjustments, other.adjustments, 1024);
    return grown;
  }
};

class CudaBatchBlock {
 public:
  /// processors: of the device, which as many blocks of attention keep busy.
  CudaBatchBlock(const ModelConfig& config, int processors)
      : shape_{config.kv_heads, config.heads / config.kv_heads, 0},
        window_(config.sliding_window),
        vocabulary_(config.vocab),
        processors_(processors) {}

  /// What says how much memory the states of attention take; all windows have as many. After reserve().
  const cuda::AttentionTables& largest_attention() const { return attention_.front(); }

  /// Takes memory; what was in the block is gone, and it may have moved.
  void reserve(const CudaBatchRoom& room) {
    room_ = room;
    // Tiles of the rows of all heads, and as many more as splitting the keys of a few sequences makes.
    const int tiles = ceil_div(room.tokens * shape_.group, cuda::small_rows) + room.chunks, units = tiles + 8 * processors_;
    attention_.clear();
    for (const int window : {window_, 0}) {
      shape_.window = window;
      attention_.emplace_back(shape_, units, units * std::min(shape_.group, cuda::small_rows), 4 * processors_);
      if (window == 0) break;
    }
    const std::size_t words = adjustments_at() + words_of<ops::LogitAdjustment>(room.adjustments);
    host_.reserve_discard(words);
    device_.reserve_discard(words);
    std::fill_n(host_.data(), host_.size(), 0);
  }

  /// Writes a batch and puts its copy into the stream, behind which the host block may not change. rows: what launches are made for.
  /// decode: the grids do not depend on the batch. Throws Error when the batch does not fit its pages.
  CudaBatch send(const cuda::KvCache& cache, std::span<const KvChunk> batch, std::span<const Output> outputs, const RotaryView& rotary,
                 int rows, bool decode, cuda::Stream stream) {
    const std::span<int> host(host_.data(), host_.size());
    const cuda::KvBatchTables tables(room_.chunks, room_.tokens, room_.pages);
    tables.fill(cache, batch, rotary, host.first(tables.words()));
    CudaBatch out{.kv = tables.view(device_.data()),
                  .outputs = {device_.data() + outputs_at(), decode ? rows : static_cast<int>(outputs.size())},
                  .samples = reinterpret_cast<const ops::SampleRow*>(device_.data() + samples_at()),
                  .adjustments = reinterpret_cast<const ops::LogitAdjustment*>(device_.data() + adjustments_at()),
                  .attention = {}};
    const int adjustments = fill_outputs(outputs, out.outputs.count);
    std::size_t at = attention_at();
    for (std::size_t i = 0; i < attention_.size(); ++i, at += attention_[i - 1].words()) {
      const cuda::AttentionGrid grid = attention_[i].fill(batch, host.subspan(at, attention_[i].words()));
      out.attention[i] = {attention_[i].view(device_.data() + at), decode ? decode_grid(rows, grid) : grid};
    }
    if (attention_.size() == 1) out.attention[1] = out.attention[0];
    const std::size_t used = adjustments_at() + words_of<ops::LogitAdjustment>(adjustments);
    cuda::upload(std::span<const int>(host.first(used)), device_.data(), stream);
    return out;
  }

 private:
  // The block: tables of the cache, rows of the outputs, how each is sampled, lists of attention, adjustments of logits. The last are many
  // or none, so that only those there are travel.
  template <class T>
  static std::size_t words_of(int count) {
    static_assert(sizeof(T) % sizeof(int) == 0, "vernier::model::CudaBatchBlock: the block is one of ints");
    return static_cast<std::size_t>(count) * (sizeof(T) / sizeof(int));
  }
  std::size_t outputs_at() const { return cuda::KvBatchTables(room_.chunks, room_.tokens, room_.pages).words(); }
  std::size_t samples_at() const { return outputs_at() + round_up(words_of<int>(room_.outputs), std::size_t{4}); }
  std::size_t attention_at() const { return samples_at() + round_up(words_of<ops::SampleRow>(room_.outputs), std::size_t{4}); }
  std::size_t adjustments_at() const { return attention_at() + attention_.size() * attention_[0].words(); }

  /// Which rows they are of, and how those are sampled. Where logits are wanted, and behind the batch's own rows, that is the best token,
  /// which leaves the logits as they are and which nobody reads. Returns how many adjustments there are.
  int fill_outputs(std::span<const Output> outputs, int rows) {
    int* const row = host_.data() + outputs_at();
    auto* const samples = reinterpret_cast<ops::SampleRow*>(host_.data() + samples_at());
    const std::span adjustments(reinterpret_cast<ops::LogitAdjustment*>(host_.data() + adjustments_at()),
                                static_cast<std::size_t>(room_.adjustments));
    int used = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i) {
      samples[i] = {.temperature = 0};
      row[i] = i < outputs.size() ? outputs[i].row : 0;
      if (i >= outputs.size() || outputs[i].sampler == nullptr) continue;
      samples[i] = outputs[i].sampler->row(vocabulary_, adjustments.subspan(static_cast<std::size_t>(used)));
      samples[i].first_adjustment = used;
      used += samples[i].num_adjustments;
    }
    return used;
  }

  /// For all steps of so many rows: a sequence is one tile, or as many splits as keep the device busy. There are two such grids, since no
  /// split means nothing to merge, which saves a launch.
  cuda::AttentionGrid decode_grid(int rows, const cuda::AttentionGrid& now) const {
    const int per_row = ceil_div(shape_.group, cuda::small_rows);
    const bool large = now.large > 0;  // more than 32 query heads to a kv head
    const int blocks = std::max(rows * per_row, ceil_div(4 * processors_, shape_.kv_heads));
    return {large ? 0 : blocks, large ? blocks : 0, now.merges > 0 ? rows * per_row : 0};
  }

  cuda::AttentionShape shape_;
  int window_, vocabulary_, processors_;
  CudaBatchRoom room_;
  std::vector<cuda::AttentionTables> attention_;
  cuda::PinnedBuffer<int> host_;
  cuda::DeviceBuffer<int> device_;
};

}  // namespace vernier::model
