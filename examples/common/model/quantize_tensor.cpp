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

/// Whether `codes` holds neither infinities nor NaN: their exponent, whose bits are `exponent`, is not all ones.
bool all_finite(MatrixView<const std::uint16_t> codes, std::uint16_t exponent) {
  std::int16_t most = 0;  // magnitudes; signed, which every instruction set compares
  for (int row = 0; row < codes.rows; ++row)
    for (int col = 0; col < codes.cols; ++col) most = std::max(most, static_cast<std::int16_t>(codes(row, col) & 0x7fff));
  return most < static_cast<std::int16_t>(exponent);
}

/// Packs rows that are stored in out's own format of 16 bits; false, with nothing written, where they are not or a value is no number.
template <Precision P>
bool copy_rows(io::StorageType stored, MatrixView<const std::uint16_t> codes, PackedMatrix& out, int out_row) {
  constexpr io::StorageType type = P == Precision::f16 ? io::StorageType::f16 : io::StorageType::bf16;
  if (out.format().precision != P || stored != type) return false;
  if (!all_finite(codes, P == Precision::f16 ? 0x7c00 : 0x7f80)) return false;
  pack_codes<P>(out, out_row, codes);
  return true;
}

}  // namespace

void TensorQuantizer::fill_slice(std::string_view name, PackedMatrix& out, const Slice& slice, Memory& memory) {
  const io::StorageType type = checkpoint_->shape(name).type;
  const std::byte* stored = checkpoint_->stored_rows(name, slice.first_row, slice.rows, memory.stored);
  const MatrixView<const std::uint16_t> codes(reinterpret_cast<const std::uint16_t*>(stored), slice.rows, out.k());
  if (copy_rows<Precision::f16>(type, codes, out, slice.out_row) || copy_rows<Precision::bf16>(type, codes, out, slice.out_row)) return;
  const std::size_t count = static_cast<std::size_t>(slice.rows) * static_cast<std::size_t>(out.k());
  memory.values.reserve_discard(count);
  io::decode_blocks(type, stored, memory.values.data(), count);
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

void TensorQuantizer::make_panel(std::string_view name, int index, PackedMatrix& out, int worker) {
  expect(worker < static_cast<int>(slices_.size()), "vernier::model::TensorQuantizer", "worker ", worker,
         " asks for a panel, but the model was opened with a pool of ", slices_.size(), "; run it on that pool, or load it whole");
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
