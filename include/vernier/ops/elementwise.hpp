// What a layer does between its multiplications: SwiGLU, the residual addition, and the lookup of embeddings.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "vernier/layout/packed_matrix.hpp"
#include "vernier/ops/rows.hpp"
#include "vernier/ops/silu.hpp"
#include "vernier/types/type_of.hpp"

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

/// Columns [begin, end) of row `row` of a matrix in P, times `scale`. Codes are gathered first, so that decoding them runs in vectors.
template <Precision P>
void dequantize_columns(const PackedView& w, int row, int begin, int end, float scale, float* out) {
  constexpr int block = 64;
  const CpuPanel panel{P, w.n, w.k};
  CodeOf<P> codes[block];
  for (int first = begin; first < end; first += block) {
    const int count = std::min(block, end - first);
    for (int i = 0; i < count; ++i) {
      std::memcpy(&codes[i], w.codes + panel.byte_offset(row, first + i), sizeof(CodeOf<P>));
      if constexpr (P == Precision::nf4)
        codes[i] = static_cast<CodeOf<P>>(CpuPanel::high_nibble(first + i) ? codes[i] >> 4 : codes[i] & 15);
    }
    for (int i = 0; i < count; ++i) out[first + i] = std::bit_cast<TypeOf<P>>(codes[i]).decode() * scale;
  }
}

inline void expect_ids(std::string_view where, const int* ids, int rows, int vocabulary) {
  for (int row = 0; row < rows; ++row)
    expect(ids[row] >= 0 && ids[row] < vocabulary, where, "token id ", ids[row], " at ", row, ", expected 0 to ", vocabulary - 1);
}

}  // namespace detail

/// Row `row` of a packed matrix, dequantised. out: (w.k). The row must be in [0, w.n).
inline void dequantize_row(const PackedView& w, int row, float* out) {
  const int group = w.scale_groups == 0 ? w.k : w.scale_group;
  visit_precision(w.format.precision, [&]<Precision P>() {
    for (int begin = 0; begin < w.k; begin += group)
      detail::dequantize_columns<P>(w, row, begin, std::min(w.k, begin + group), w.scale(row, begin), out);
  });
}

/// out[r] = row ids[r] of the table. table: (vocabulary, n) packed; ids: (t); out: (t, n).
/// Throws Error when out does not have the table's width or an id is outside the vocabulary; then nothing was written.
inline void embed(const PackedView& table, const int* ids, MatrixView<float> out, cpu::ThreadPool* pool = nullptr) {
  expect_packed("vernier::ops::embed", table);
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
