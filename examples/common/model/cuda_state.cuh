// What a forward on a CUDA device works on: activations, the rotary table and the batch. All of it lies in the device's memory, at places
// that only change when it grows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/model/config.hpp"
#include "common/model/cuda_batch.cuh"
#include "common/model/cuda_rows.hpp"
#include "common/model/output.hpp"
#include "common/model/rope_config.hpp"
#include "vernier/attention/attention.cuh"
#include "vernier/core/math.hpp"
#include "vernier/cuda/memory.cuh"
#include "vernier/cuda/stream.cuh"
#include "vernier/kv/cache.cuh"
#include "vernier/ops/rope.hpp"
#include "vernier/ops/sample.cuh"

namespace vernier::model {

/// One forward; see Llama for the shapes. Launches are made for t rows, of which the batch may have fewer: rows behind it hold anything and
/// give anything, and nobody sees it.
struct CudaStep {
  cuda::KvCache* cache;
  CudaBatch batch;
  CudaIndices outputs;        // those of the batch
  std::span<Output> results;  // where they go in the end
  RotaryView rotary;
  cuda::AttentionStates states;
  MatrixView<float> hidden;
  CudaRows normed;
  MatrixView<float> q, k, v;  // columns of one matrix
  CudaRows mixed, gate;
  CudaRows scratch, more_scratch;  // (t, ffn), or what else is needed
  MatrixView<float> selected;
  CudaRows final;
  cuda::SampleBatch sample;  // has the logits
  MatrixView<float> logits;
  bool decode;   // one token of each sequence, with an output: such steps repeat
  bool samples;  // some token is to be chosen, or the step will serve others in which there is
};

/// Device memory that is laid out anew when it grows.
class CudaArena {
 public:
  /// Room for `count` values of T behind what was taken before, 256-byte aligned. Before reserve() only the sizes count.
  template <class T>
  T* take(std::size_t count) {
    T* const at = reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(memory_.data()) + used_);
    used_ += round_up(count * sizeof(T), std::size_t{256});
    return at;
  }
  void clear() { used_ = 0; }
  /// As much as was taken.
  void reserve() { memory_.reserve_discard(used_); }

 private:
  cuda::DeviceBuffer<std::byte> memory_;
  std::size_t used_ = 0;
};

/// Grows to the largest batch seen, so that a warm forward allocates nothing. version() changes when something moved.
class CudaState {
 public:
  explicit CudaState(const ModelConfig& config) : config_(&config), rope_(rope_config(config)), block_(config, processors()) {}

  int version() const { return version_; }

  /// Takes the memory for batches of this size, and angles for `positions`. No step may be under way.
  void reserve(const CudaBatchRoom& room, int positions, const cuda::OwnedStream& stream) {
    if (room_.grow(room)) {
      block_.reserve(room_);
      place();
      arena_.reserve();
      place();
      cuda::runtime::fill(sample_scratch_, 0, sample_bytes(), stream);
      stream.synchronize();  // or it would be under way when a model that nobody used goes
      ++version_;
    }
    if (positions > rope_.positions()) grow_rope(positions, stream);
  }

  /// A forward of a batch, made for `rows` tokens. The batch is on its way to the device.
  CudaStep begin(cuda::KvCache& cache, std::span<const KvChunk> batch, int rows, std::span<Output> outputs, bool decode,
                 cuda::Stream stream) {
    const CudaBatch sent = block_.send(cache, batch, outputs, rotary(), rows, decode, stream);
    const ModelConfig& c = *config_;
    const int o = sent.outputs.count;
    const MatrixView<float> qkv(qkv_, rows, c.q_width() + 2 * c.kv_width());
    const MatrixView<float> logits(logits_, o, c.vocab, logits_stride());
    return {.cache = &cache,
            .batch = sent,
            .outputs = sent.outputs,
            .results = outputs,
            .rotary = rotary(),
            .states = cuda::attention_states(block_.largest_attention(), states_),
            .hidden = {hidden_, rows, c.hidden},
            .normed = {normed_, rows, c.hidden, scales_},
            .q = qkv.slice_cols(0, c.q_width()),
            .k = qkv.slice_cols(c.q_width(), c.kv_width()),
            .v = qkv.slice_cols(c.q_width() + c.kv_width(), c.kv_width()),
            .mixed = {mixed_, rows, c.q_width(), scales_},
            .gate = {gate_, rows, c.ffn, scales_},
            .scratch = {scratch_, rows, c.ffn, scales_},
            .more_scratch = {more_scratch_, rows, c.ffn, scales_},
            .selected = {selected_, o, c.hidden},
            .final = {final_, o, c.hidden, scales_},
            .sample = {.logits = logits,
                       .rows = sent.samples,
                       .adjustments = sent.adjustments,
                       .ids = ids_,
                       .scratch = {sample_scratch_, room_.outputs}},
            .logits = logits,
            .decode = decode,
            .samples = decode || choose_some(outputs)};
  }

 private:
  static int processors() { return cuda::runtime::device_info(cuda::runtime::current_device_index()).processors; }

  RotaryView rotary() const {
    const std::ptrdiff_t half = rope_.half();
    return {rope_device_.data(), rope_device_.data() + half, rope_.positions(), rope_.half(), 2 * half};
  }

  static bool choose_some(std::span<const Output> outputs) {
    return std::any_of(outputs.begin(), outputs.end(), [](const Output& output) { return output.sampler != nullptr; });
  }

  int logits_stride() const { return round_up(config_->vocab, 4); }  // sampling reads four at a time
  std::size_t sample_bytes() const { return cuda::sample_scratch_bytes(room_.outputs, config_->vocab); }

  void grow_rope(int positions, const cuda::OwnedStream& stream) {
    rope_.reserve(positions);
    const std::size_t values = static_cast<std::size_t>(rope_.positions()) * static_cast<std::size_t>(rope_.rotary_dim());
    rope_device_.reserve_discard(values);
    cuda::upload(std::span<const float>(rope_.cos(0), values), rope_device_.data(), stream);
    stream.synchronize();  // the table on the host may move before the next forward
    ++version_;
  }

  /// Gives everything its place: once to count the bytes, and again when they are there.
  void place() {
    const ModelConfig& c = *config_;
    const auto rows = [this](int count, int cols) {
      return arena_.take<float>(static_cast<std::size_t>(count) * static_cast<std::size_t>(cols));
    };
    arena_.clear();
    hidden_ = rows(room_.tokens, c.hidden);
    normed_ = rows(room_.tokens, c.hidden);
    qkv_ = rows(room_.tokens, c.q_width() + 2 * c.kv_width());
    mixed_ = rows(room_.tokens, c.q_width());
    gate_ = rows(room_.tokens, c.ffn);
    scratch_ = rows(room_.tokens, std::max(c.ffn, c.q_width()));
    more_scratch_ = rows(room_.tokens, c.ffn);
    selected_ = rows(room_.outputs, c.hidden);
    final_ = rows(room_.outputs, c.hidden);
    logits_ = rows(room_.outputs, logits_stride());
    ids_ = arena_.take<int>(static_cast<std::size_t>(room_.outputs));
    sample_scratch_ = arena_.take<std::byte>(sample_bytes());
    scales_ = rows(std::max(room_.tokens, room_.outputs), 1);
    states_ = arena_.take<std::byte>(cuda::attention_state_bytes(block_.largest_attention(), c.head_dim));
  }

  const ModelConfig* config_;
  ops::RopeTable rope_;
  cuda::DeviceBuffer<float> rope_device_;  // (positions, 2, half)
  CudaBatchRoom room_;
  CudaBatchBlock block_;
  int version_ = 0;
  CudaArena arena_;
  float *hidden_ = nullptr, *normed_ = nullptr, *qkv_ = nullptr, *mixed_ = nullptr, *gate_ = nullptr, *scratch_ = nullptr;
  float *more_scratch_ = nullptr, *selected_ = nullptr, *final_ = nullptr, *logits_ = nullptr, *scales_ = nullptr;
  int* ids_ = nullptr;
  std::byte *states_ = nullptr, *sample_scratch_ = nullptr;
};

}  // namespace vernier::model
