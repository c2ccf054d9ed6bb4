// Choosing the next tokens on a CUDA device, so that logits need not leave it: bias, penalties, temperature, top-k, top-p, min-p and the
// draw, or the best token. Entries; the kernels are sample_best.cuh, sample_buckets.cuh and sample_draw.cuh. What is meant by each option
// is in ops/sample.hpp, the definition is reference::distribution.
#pragma once

#include <cstdint>
#include <string_view>

#include "vernier/core/error.hpp"
#include "vernier/cuda/launch.cuh"
#include "vernier/ops/sample_best.cuh"
#include "vernier/ops/sample_draw.cuh"

namespace vernier::cuda {

/// Scratch memory for up to so many rows: sample_scratch_bytes, 8-byte aligned. Zero before the first call; a call leaves it ready for the
/// next, of however many rows.
struct SampleMemory {
  void* data = nullptr;
  int rows = 0;
};

/// What is sampled, all in the device's memory: its addresses and shapes stay the same when a captured step runs again, its contents need
/// not.
struct SampleBatch {
  MatrixView<float> logits;                           // (rows, vocabulary): bias and penalties are applied in place
  const ops::SampleRow* rows = nullptr;               // (rows); see Sampler::row
  const ops::LogitAdjustment* adjustments = nullptr;  // of all rows, which say where theirs are; may be null where nothing is adjusted
  int* ids = nullptr;                                 // (rows): the chosen tokens, no_token where a row has no usable distribution
  SampleMemory scratch{};
};

/// Bytes of scratch memory for up to so many rows.
template <SampleConfig C = SampleConfig{}>
constexpr std::size_t sample_scratch_bytes(int rows, int vocabulary) {
  return SampleScratch::bytes(C, rows, vocabulary);
}

namespace detail {

template <SampleConfig C>
SampleArgs sample_args(std::string_view where, const SampleBatch& batch) {
  const MatrixView<float>& x = batch.logits;
  expect(x.cols >= 1 && x.cols <= most_vocabulary, where, "the vocabulary has ", x.cols, " tokens, expected 1 to ", most_vocabulary);
  expect(x.rows >= 0 && x.rows <= 65535, where, x.rows, " rows, expected at most 65535");
  expect(reinterpret_cast<std::uintptr_t>(x.data) % 16 == 0 && (x.rows <= 1 || x.stride % 4 == 0), where,
         "rows of logits must begin at multiples of 16 bytes; their stride is ", x.stride, " elements");
  const auto& [scratch, most] = batch.scratch;
  expect(batch.ids != nullptr && scratch != nullptr && reinterpret_cast<std::uintptr_t>(scratch) % 8 == 0, where,
         "there must be ids and scratch memory, 8-byte aligned");
  expect(x.rows <= most, where, x.rows, " rows, the scratch memory is for ", most);
  return {x, batch.rows, batch.adjustments, batch.ids, SampleScratch::in(scratch, C, most, x.cols)};
}

template <SampleConfig C>
Grid sample_grid(const SampleBatch& batch) {
  return {static_cast<unsigned>(C.parts(batch.logits.cols)), static_cast<unsigned>(batch.logits.rows)};
}

}  // namespace detail

/// ids[row] = the best token of each row, of equals the lowest id: one pass over the logits. batch.rows and batch.adjustments are not
/// looked at. Memory must outlive the stream's work. Throws Error, and launches nothing, when the vocabulary is larger than 2^19 or memory
/// is missing or misaligned.
template <SampleConfig C = SampleConfig{}>
void argmax(const SampleBatch& batch, Stream stream = {}) {
  SampleArgs args = detail::sample_args<C>("vernier::cuda::argmax", batch);
  args.rows = nullptr;
  if (batch.logits.rows > 0) launch<SampleBest<C>>(detail::sample_grid<C>(batch), args, stream);
}

/// ids[row] = a token of each row, as batch.rows says. The token is the one that ops::Sampler chooses for the same logits and draw, except
/// where the draw is within 2^-20 of the border between two tokens. A row's token does not depend on the others. Always three launches,
/// whatever the options, so that a captured step can run again with others. Memory and errors as for argmax.
template <SampleConfig C = SampleConfig{}>
void sample(const SampleBatch& batch, Stream stream = {}) {
  constexpr std::string_view where = "vernier::cuda::sample";
  const SampleArgs args = detail::sample_args<C>(where, batch);
  expect(batch.rows != nullptr, where, "there are no options of the rows");
  if (batch.logits.rows == 0) return;
  const Grid grid = detail::sample_grid<C>(batch);
  launch<SampleBest<C>>(grid, args, stream);
  launch<SampleBuckets<C>>(grid, args, stream);
  launch<SampleDraw<C>>(grid, args, stream);
}

}  // namespace vernier::cuda
