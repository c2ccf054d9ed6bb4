// What a layer does between its multiplications, on a CUDA device: SwiGLU, the residual addition, and the lookup of rows. Rows begin at
// multiples of 16 bytes in the device's memory, have a multiple of 8 columns, and must outlive the stream's work; what does not is refused
// with an Error, and nothing is launched.
#pragma once

#include "vernier/ops/packed_rows.cuh"
#include "vernier/ops/rmsnorm.cuh"

namespace vernier::cuda {

/// out = silu(gate) * up. gate, up: (t, n) float. out: (t, n) float, f16 or bf16, and may be gate or up; or QuantizedRows of i8 or e4m3
/// (n up to 32768).
template <Arch A = Arch::sm80, RowElement T>
void swiglu(const MatrixView<const float>& gate, const MatrixView<const float>& up, const MatrixView<T>& out, Stream stream = {}) {
  constexpr std::string_view where = "vernier::cuda::swiglu";
  detail::expect_same_shape(where, gate, up);
  detail::expect_chunks(where, "gate", gate);
  detail::expect_chunks(where, "up", up);
  detail::expect_output(where, gate, out);
  detail::launch_map<A>(where, SwigluRows{gate, up}, out, stream);
}
template <Arch A = Arch::sm80, class Code>
void swiglu(const MatrixView<const float>& gate, const MatrixView<const float>& up, const QuantizedRows<Code>& out, Stream stream = {}) {
  constexpr std::string_view where = "vernier::cuda::swiglu";
  detail::expect_same_shape(where, gate, up);
  detail::expect_chunks(where, "gate", gate);
  detail::expect_chunks(where, "up", up);
  detail::expect_output(where, gate, out);
  detail::launch_row_blocks<A, false>(where, gate.rows, RowArgs<SwigluRows, QuantizedRows<Code>>{{gate, up}, {}, out}, stream);
}

/// residual += delta. Both (t, n) float.
template <Arch A = Arch::sm80>
void add(const MatrixView<float>& residual, const MatrixView<const float>& delta, Stream stream = {}) {
  constexpr std::string_view where = "vernier::cuda::add";
  detail::expect_same_shape(where, residual, delta);
  detail::expect_chunks(where, "the residual", residual);
  detail::expect_chunks(where, "delta", delta);
  detail::launch_map<A>(where, AddedRows{residual, delta}, MatrixView<float>{nullptr, residual.rows, residual.cols}, stream);
}

/// out(i) = row ids[i] of the table: embeddings, or the hidden rows whose logits are wanted. table: (rows, n) float, f16 or bf16; ids:
/// (t) in the device's memory; out: (t, n) float, f16 or bf16. An id outside the table makes its row NaN: the device cannot refuse it.
template <Arch A = Arch::sm80, RowElement T, RowElement U>
void gather_rows(const MatrixView<const T>& table, const int* ids, const MatrixView<U>& out, Stream stream = {}) {
  constexpr std::string_view where = "vernier::cuda::gather_rows";
  expect(out.cols == table.cols, where, "out has ", out.cols, " columns, expected ", table.cols);
  expect(ids != nullptr || out.rows == 0, where, "there are no ids");
  detail::expect_chunks(where, "the table", table);
  detail::expect_chunks(where, "the output", out);
  detail::launch_map<A>(where, TableRows<T>{table, ids}, out, stream);
}
/// The same from a table packed for the GEMM, in any weight format, dequantised. table: (rows, n), codes and scales in the device's memory.
template <Arch A = Arch::sm80, RowElement U>
void gather_rows(const WeightView& table, const int* ids, const MatrixView<U>& out, Stream stream = {}) {
  constexpr std::string_view where = "vernier::cuda::gather_rows";
  expect(out.cols == table.k, where, "out has ", out.cols, " columns, expected ", table.k);
  expect(!table.gated, where, "the table has the rows of a gate and of what it gates in turn; expected one matrix");
  expect(ids != nullptr || out.rows == 0, where, "there are no ids");
  detail::expect_chunks(where, "the output", out);
  visit_precision(table.format.precision, [&]<Precision P>() { detail::launch_map<A>(where, PackedRows<P>{table, ids}, out, stream); });
}

}  // namespace vernier::cuda
