// A slice is a panel: with SmolLM2's or a 1B model's columns it stays in the second-level cache between decoding, scales and codes.
#include "common/model/quantize_tensor.hpp"

#include <algorithm>
#include <atomic>

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
bool copy_rows(const io::Checkpoint& checkpoint, std::string_view name, PackedMatrix& out, int first_row, MatrixView<std::uint16_t> codes) {
  constexpr io::StorageType type = P == Precision::f16 ? io::StorageType::f16 : io::StorageType::bf16;
  if (out.format().precision != P || checkpoint.shape(name).type != type) return false;
  checkpoint.copy_rows(name, first_row, codes);
  if (!all_finite(codes, P == Precision::f16 ? 0x7c00 : 0x7f80)) return false;
  pack_codes<P>(out, first_row, codes);
  return true;
}

}  // namespace

void TensorQuantizer::fill_slice(std::string_view name, PackedMatrix& out, int first_row, int rows, Buffer<float>& slice) {
  slice.reserve_discard(static_cast<std::size_t>(rows) * static_cast<std::size_t>(out.k()));
  const MatrixView<std::uint16_t> codes(reinterpret_cast<std::uint16_t*>(slice.data()), rows, out.k());
  if (copy_rows<Precision::f16>(*checkpoint_, name, out, first_row, codes)) return;
  if (copy_rows<Precision::bf16>(*checkpoint_, name, out, first_row, codes)) return;
  const MatrixView<float> values(slice.data(), rows, out.k());
  checkpoint_->read_rows(name, first_row, values);
  quantize_rows(out, first_row, values);
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

void TensorQuantizer::fill(std::string_view name, PackedMatrix& out) {
  try {
    if (out.format().scaling == Scaling::tensor) return fill_at_once(name, out);
    const int step = slice_rows(out.format());
    std::atomic<int> next{0};
    pool_->run([&](int share) {
      for (int first; (first = next.fetch_add(step, std::memory_order_relaxed)) < out.n();)
        fill_slice(name, out, first, std::min(step, out.n() - first), slices_[static_cast<std::size_t>(share)]);
    });
  } catch (const Error& error) {
    fail(checkpoint_->path(), "tensor ", name, ": ", std::string_view(error.what()));
  }
}

}  // namespace vernier::model
