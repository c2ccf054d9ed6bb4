// A slice is a panel: with SmolLM2's or a 1B model's columns it stays in the second-level cache between decoding, scales and codes.
#include "common/model/quantize_tensor.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "common/io/blocks.hpp"
#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"
#include "vernier/quant/quantize.hpp"

namespace vernier::model {
namespace {

/// Rows that are read at a time: what shares scales stays together.
int slice_rows(const WeightFormat& format) {
  return format.scaling == Scaling::block ? std::max(format.group, CpuPanel::rows) : CpuPanel::rows;
}

}  // namespace

void TensorQuantizer::fill_slice(std::string_view name, PackedMatrix& out, const Slice& slice, Memory& memory) {
  const io::StorageType type = checkpoint_->shape(name).type;
  const io::RawRows stored = checkpoint_->stored_rows(name, slice.first_row, slice.rows, memory.stored);
  const auto quantize_as = [&]<class T>(T) {
    const auto stride = static_cast<std::ptrdiff_t>(stored.stride / sizeof(T));
    quantize_rows(out, slice.out_row, MatrixView<const T>(reinterpret_cast<const T*>(stored.data), slice.rows, out.k(), stride));
  };
  if (type == io::StorageType::f32) return quantize_as(float{});
  if (type == io::StorageType::f16) return quantize_as(f16{});
  if (type == io::StorageType::bf16) return quantize_as(bf16{});
  if (type == io::StorageType::q8_0) {
    const auto stride = static_cast<std::ptrdiff_t>(stored.stride);
    return quantize_rows(out, slice.out_row, Int8BlockRows{stored.data, slice.rows, out.k(), stride});
  }
  const auto cols = static_cast<std::size_t>(out.k());
  memory.values.reserve_discard(static_cast<std::size_t>(slice.rows) * cols);
  for (std::size_t row = 0; row < static_cast<std::size_t>(slice.rows); ++row)
    io::decode_blocks(type, stored.data + row * stored.stride, memory.values.data() + row * cols, cols);
  quantize_rows(out, slice.out_row, {memory.values.data(), slice.rows, out.k()});
}

/// One scale needs all rows.
void TensorQuantizer::fill_at_once(std::string_view name, PackedMatrix& out) {
  Buffer<float> memory(static_cast<std::size_t>(out.n()) * static_cast<std::size_t>(out.k()));
  const MatrixView<float> all(memory.data(), out.n(), out.k());
  pool_->for_each(ceil_div(out.n(), CpuPanel::rows), [&](std::int64_t panel) {
    const int first = static_cast<int>(panel) * CpuPanel::rows;
    checkpoint_->read_rows(name, first, all.slice_rows(first, std::min(CpuPanel::rows, out.n() - first)));
  });
  quantize_rows(out, 0, all, pool_);
}

void TensorQuantizer::fill_rows(std::string_view name, PackedMatrix& out, int first_row, int rows) {
  try {
    if (out.format().scaling == Scaling::tensor) return fill_at_once(name, out);
    const int step = slice_rows(out.format()), end = first_row + rows;
    std::atomic<int> next{first_row};
    pool_->run([&](int share) {
      for (int row; (row = next.fetch_add(step, std::memory_order_relaxed)) < end;)
        fill_slice(name, out, {row, std::min(step, end - row), row}, slices_[static_cast<std::size_t>(share)]);
    });
  } catch (const Error& error) {
    fail(checkpoint_->path(), "tensor ", name, ": ", std::string_view(error.what()));
  }
}

void TensorQuantizer::expect_workers(int count) const {
  expect(count <= static_cast<int>(slices_.size()), "vernier::model::TensorQuantizer", "a pool of ", count,
         " is to compute with what is not packed, but the model was opened with a pool of ", slices_.size(),
         "; run it on that pool, or load it whole");
}

void TensorQuantizer::make_panel(std::string_view name, int index, PackedMatrix& out, int worker) {
  Memory& memory = slices_[static_cast<std::size_t>(worker)];
  const int first_row = index * CpuPanel::rows;
  try {
    fill_slice(name, out, {first_row, out.n(), 0}, memory);
  } catch (const Error&) {  // which counts rows from the panel's first: once more, where they have their own numbers
    try {
      PackedMatrix whole(checkpoint_->shape(name).rows, out.k(), out.format());
      fill_slice(name, whole, {first_row, out.n(), first_row}, memory);
    } catch (const Error& error) {
      fail(checkpoint_->path(), "tensor ", name, ": ", std::string_view(error.what()));
    }
    throw;
  }
}

}  // namespace vernier::model
