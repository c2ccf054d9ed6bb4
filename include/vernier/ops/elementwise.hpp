// What a layer does between its multiplications: SwiGLU, the residual addition, and the lookup of embeddings.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "vernier/layout/packed_matrix.hpp"
#include "vernier/ops/rows.hpp"
#include "vernier/ops/silu.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/fp8.hpp"
#include "vernier/types/int8.hpp"
#include "vernier/types/nf4.hpp"

namespace vernier::ops {

/// out = silu(gate) * up. All (t, n); out may be gate's memory. Throws Error when shapes differ.
inline void swiglu(MatrixView<const float> gate, MatrixView<const float> up, MatrixView<float> out, cpu::ThreadPool* pool = nullptr) {
  detail::expect_same_shape("vernier::ops::swiglu", gate, up);
  detail::expect_same_shape("vernier::ops::swiglu", gate, out);
  detail::for_rows(pool, gate.rows, gate.cols, [&](int row) { silu_multiply(gate.row(row), up.row(row), out.row(row), gate.cols); });
}

/// residual += delta. Both (t, n). Throws Error when shapes differ.
inline void add(MatrixView<float> residual, MatrixView<const float> delta, cpu::ThreadPool* pool = nullptr) {
  detail::expect_same_shape("vernier::ops::add", residual, delta);
  detail::for_rows(pool, residual.rows, residual.cols, [&](int row) {
    float* sum = residual.row(row);
    const float* x = delta.row(row);
    for (int i = 0; i < residual.cols; ++i) sum[i] += x[i];
  });
}

namespace detail {

/// The value of a code whose bytes are at `code`, before its scale.
inline float decode_code(Precision precision, const std::uint8_t* code, bool high_nibble) {
  std::uint16_t half = 0;
  float single = 0;
  switch (precision) {
    case Precision::f32: std::memcpy(&single, code, 4); return single;
    case Precision::f16: std::memcpy(&half, code, 2); return f16{half}.decode();
    case Precision::bf16: std::memcpy(&half, code, 2); return bf16{half}.decode();
    case Precision::i8: return i8{static_cast<std::int8_t>(*code)}.decode();
    case Precision::e4m3: return e4m3{*code}.decode();
    case Precision::e5m2: return e5m2{*code}.decode();
    case Precision::nf4: return nf4{static_cast<std::uint8_t>(high_nibble ? *code >> 4 : *code & 15)}.decode();
  }
  return 0;
}

inline void expect_ids(std::string_view where, const int* ids, int rows, int vocabulary) {
  for (int row = 0; row < rows; ++row)
    expect(ids[row] >= 0 && ids[row] < vocabulary, where, "token id ", ids[row], " at ", row, ", expected 0 to ", vocabulary - 1);
}

}  // namespace detail

/// Row `row` of a packed matrix, dequantised. out: (w.k). The row must be in [0, w.n).
inline void dequantize_row(const PackedView& w, int row, float* out) {
  const CpuPanel panel = w.panel();
  for (int col = 0; col < w.k; ++col)
    out[col] =
        detail::decode_code(w.format.precision, w.codes + panel.byte_offset(row, col), CpuPanel::high_nibble(col)) * w.scale(row, col);
}

/// out[r] = row ids[r] of the table. table: (vocabulary, n) packed; ids: (t); out: (t, n).
/// Throws Error when out does not have the table's width or an id is outside the vocabulary; then nothing was written.
inline void embed(const PackedView& table, const int* ids, MatrixView<float> out, cpu::ThreadPool* pool = nullptr) {
  expect(out.cols == table.k, "vernier::ops::embed", "out has ", out.cols, " columns, expected ", table.k);
  detail::expect_ids("vernier::ops::embed", ids, out.rows, table.n);
  detail::for_rows(pool, out.rows, out.cols, [&](int row) { dequantize_row(table, ids[row], out.row(row)); });
}

/// The same for a plain row-major table of float, f16 or bf16.
template <class T>
inline void embed(MatrixView<const T> table, const int* ids, MatrixView<float> out, cpu::ThreadPool* pool = nullptr) {
  expect(out.cols == table.cols, "vernier::ops::embed", "out has ", out.cols, " columns, expected ", table.cols);
  detail::expect_ids("vernier::ops::embed", ids, out.rows, table.rows);
  detail::for_rows(pool, out.rows, out.cols, [&](int row) {
    const T* from = table.row(ids[row]);
    for (int i = 0; i < table.cols; ++i) {
      if constexpr (std::is_same_v<T, float>)
        out(row, i) = from[i];
      else
        out(row, i) = from[i].decode();
    }
  });
}

}  // namespace vernier::ops
