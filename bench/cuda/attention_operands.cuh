// What attention is measured on, in the device's memory: a paged cache that is full to a depth, in as many layers as keep each out of L2
// until its turn, a batch, queries; and the check that a result is right.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cuda/attention_check.cuh"
#include "cuda/plan.hpp"
#include "cuda/random_codes.cuh"
#include "cuda/worst.cuh"
#include "vernier/attention/attention.cuh"
#include "vernier/cuda/memory.cuh"
#include "vernier/cuda/stream.cuh"
#include "vernier/kv/append.cuh"

namespace vernier::bench {

struct FillRowsArgs {
  MatrixView<float> rows;
  int first;           // the position of row 0
  float ramp, spread;  // a value is position * ramp, plus or minus spread
  std::uint32_t seed;
};

/// Rows of random numbers. With a ramp their mean depends on the position, so that attention which leaves some keys out shows.
struct FillRows {
  using Args = FillRowsArgs;
  static constexpr int threads = 256, shared_bytes = 0;
  __device__ static void run(const Args& args, unsigned char*) {
    const std::int64_t count = static_cast<std::int64_t>(args.rows.rows) * args.rows.cols;
    for (std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x; i < count; i += std::int64_t{gridDim.x} * threads) {
      const int row = static_cast<int>(i / args.rows.cols), col = static_cast<int>(i % args.rows.cols), position = args.first + row;
      const std::uint32_t r = hashed(static_cast<std::uint64_t>(position) << 20 | static_cast<std::uint64_t>(col), args.seed);
      args.rows(row, col) = static_cast<float>(position) * args.ramp + args.spread * (static_cast<float>(r >> 8) * 0x1p-23f - 1);
    }
  }
};

class AttentionOperands {
 public:
  static constexpr KvConfig config_for(Precision kv) { return {.precision = kv, .page_tokens = 64}; }

  /// Bytes of keys and values that all sequences have in one layer.
  static std::size_t layer_bytes(const AttentionCase& c) {
    return cuda::KvCache::layout_for(config_for(c.kv), geometry(c, 1)).total_bytes();
  }

  /// Throws Error where the cache does not fit in memory.
  AttentionOperands(Arch arch, int processors, const AttentionCase& c, int layers, const cuda::OwnedStream& stream)
      : case_(c),
        stream_(&stream),
        layers_(layers),
        memory_(cuda::KvCache::layout_for(config_for(c.kv), geometry(c, layers)).total_bytes()),
        cache_(config_for(c.kv), geometry(c, layers), memory_.data(), arch, stream),
        q_(values(c.model.heads)),
        out_(values(c.model.heads)) {
    fill_cache();
    for (KvSequence& sequence : sequences_) chunks_.push_back(sequence.last(c.tokens));
    send_tables(processors);
    cuda::launch_on<FillRows>(arch, {4096}, {q(), 0, 0, 3, 7}, stream);
    stream.synchronize();
  }

  int layers() const { return layers_; }

  void run(int layer) {
    cuda::AttentionCall call{};
    call.batch = kv_->view(words_.data());
    call.tables = attention_->view(words_.data() + kv_->words());
    call.grid = grid_;
    call.q = MatrixView<const float>(q());
    call.out = {out_.data(), q().cols, Precision::f16, q().rows, q().cols};
    call.states = cuda::attention_states(*attention_, states_.data());
    cuda::attention(cache_, layer % layers_, call, *stream_);
  }

  void forget_result() { cuda::runtime::fill(out_.data(), 0xff, out_.size_bytes(), *stream_); }

  /// How far the result of `layer` is from the right one, in bounds; above 1 is wrong, and so is NaN. Of the first and the last sequence,
  /// the first, the middle and the last token.
  double worst(int layer) const {
    std::vector<CheckedRow> rows;
    int pages = 0;
    for (int s = 0; s < case_.batch; ++s) {
      if (s == 0 || s == case_.batch - 1)
        for (const int token : {0, case_.tokens / 2, case_.tokens - 1})
          rows.push_back({s * case_.tokens + token, pages, case_.depth + token + 1});
      pages += cache_.pages_for(case_.depth + case_.tokens);
    }
    const int heads = case_.model.heads, dim = case_.model.head_dim, checked = static_cast<int>(rows.size());
    cuda::DeviceBuffer<CheckedRow> which(rows.size());
    cuda::DeviceBuffer<double> scores(rows.size() * static_cast<std::size_t>(heads) * static_cast<std::size_t>(case_.depth + case_.tokens));
    cuda::DeviceBuffer<float> excess(rows.size() * static_cast<std::size_t>(heads) * static_cast<std::size_t>(dim));
    cuda::upload(std::span<const CheckedRow>(rows), which.data(), *stream_);
    const AttentionCheckArgs args{cache_.layout(),
                                  cache_.memory(),
                                  layer % layers_,
                                  heads / case_.model.kv_heads,
                                  which.data(),
                                  kv_->view(words_.data()).pages,
                                  {q_.data(), q().rows, q().cols},
                                  {out_.data(), q().rows, q().cols},
                                  {scores.data(), checked * heads, case_.depth + case_.tokens},
                                  excess.data()};
    const cuda::Grid grid{static_cast<unsigned>(heads), static_cast<unsigned>(checked)};
    visit_precision(case_.kv, [&]<Precision P>() {
      if constexpr (is_kv_precision(P)) cuda::launch_on<AttentionCheck<P>>(cache_.arch(), grid, args, *stream_);
    });
    return worst_of(excess, *stream_);
  }

 private:
  static KvGeometry geometry(const AttentionCase& c, int layers) {
    const int pages = ceil_div(c.depth + c.tokens, config_for(c.kv).page_tokens);
    return {layers, c.model.kv_heads, c.model.head_dim, pages * c.batch};
  }
  std::size_t values(int heads) const {
    return static_cast<std::size_t>(case_.batch) * static_cast<std::size_t>(case_.tokens) * static_cast<std::size_t>(heads) *
           static_cast<std::size_t>(case_.model.head_dim);
  }
  MatrixView<float> q() const {
    return {const_cast<float*>(q_.data()), case_.batch * case_.tokens, case_.model.heads * case_.model.head_dim};
  }

  /// Appends to the first layer, as a model does, and copies that to the others.
  void fill_cache() {
    constexpr int most = 2048;
    const int cols = case_.model.kv_heads * case_.model.head_dim, length = case_.depth + case_.tokens;
    cuda::DeviceBuffer<float> k(static_cast<std::size_t>(most) * static_cast<std::size_t>(cols)), v(k.size());
    const cuda::KvBatchTables tables(1, most, cache_.pages_for(length));
    std::vector<int> host(tables.words());
    cuda::DeviceBuffer<int> block(host.size());
    sequences_.reserve(static_cast<std::size_t>(case_.batch));
    for (int s = 0; s < case_.batch; ++s) {
      KvSequence& sequence = sequences_.emplace_back(cache_);
      for (int done = 0; done < length;) {
        const int count = std::min(most, length - done);
        expect(sequence.extend(count), "bench.cuda.attention", "the cache is full at ", done, " tokens");
        const KvChunk chunk = sequence.last(count);
        tables.fill(cache_, {&chunk, 1}, {}, host);
        cuda::upload(std::span<const int>(host), block.data(), *stream_);
        const auto seed = static_cast<std::uint32_t>(100 + 2 * s);
        const MatrixView<float> keys(k.data(), count, cols), rows(v.data(), count, cols);
        cuda::launch_on<FillRows>(cache_.arch(), {1024}, {keys, done, 0, 1, seed}, *stream_);
        cuda::launch_on<FillRows>(cache_.arch(), {1024}, {rows, done, 2.0f / static_cast<float>(length), 0.5f, seed + 1}, *stream_);
        cuda::append(cache_, 0, tables.view(block.data()), {nullptr, count, 0}, keys, rows, {}, *stream_);
        stream_->synchronize();  // the host's block is filled again
        done += count;
      }
    }
    const std::size_t bytes = memory_.size() / static_cast<std::size_t>(layers_);
    for (int layer = 1; layer < layers_; ++layer)
      cuda::runtime::copy(memory_.data() + bytes * static_cast<std::size_t>(layer), memory_.data(), bytes, *stream_);
    stream_->synchronize();
  }

  void send_tables(int processors) {
    const int rows = case_.batch * case_.tokens, group = case_.model.heads / case_.model.kv_heads;
    kv_ = std::make_unique<cuda::KvBatchTables>(case_.batch, rows, cache_.pages_for(case_.depth + case_.tokens) * case_.batch);
    const int units = ceil_div(rows * group, cuda::small_rows) + case_.batch + 8 * processors;
    attention_ = std::make_unique<cuda::AttentionTables>(cuda::AttentionShape{case_.model.kv_heads, group, 0}, units,
                                                         units * std::min(group, cuda::small_rows), 4 * processors);
    std::vector<int> host(kv_->words() + attention_->words());
    kv_->fill(cache_, chunks_, {}, std::span<int>(host).first(kv_->words()));
    grid_ = attention_->fill(chunks_, std::span<int>(host).subspan(kv_->words()));
    words_ = cuda::DeviceBuffer<int>(host.size());
    states_ = cuda::DeviceBuffer<std::uint8_t>(cuda::attention_state_bytes(*attention_, case_.model.head_dim));
    cuda::upload(std::span<const int>(host), words_.data(), *stream_);
    stream_->synchronize();
  }

  AttentionCase case_;
  const cuda::OwnedStream* stream_;
  int layers_;
  cuda::DeviceBuffer<std::uint8_t> memory_;
  cuda::KvCache cache_;
  std::vector<KvSequence> sequences_;
  std::vector<KvChunk> chunks_;
  std::unique_ptr<cuda::KvBatchTables> kv_;
  std::unique_ptr<cuda::AttentionTables> attention_;
  cuda::AttentionGrid grid_;
  cuda::DeviceBuffer<int> words_;
  cuda::DeviceBuffer<std::uint8_t> states_;
  cuda::DeviceBuffer<float> q_;
  cuda::DeviceBuffer<f16> out_;
};

}  // namespace vernier::bench
