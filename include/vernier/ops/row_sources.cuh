// Where the row-wise operations find a row: stored, the sum of two, the product of a gated unit, or one row of a table. A source brings
// eight columns at a time; each element is computed by itself, so a row does not depend on the others.
#pragma once

#include <concepts>

#include "vernier/ops/exp.hpp"
#include "vernier/ops/row_chunk.cuh"

namespace vernier::cuda {

/// source.load(row, col, v): the eight columns from col on, which is a multiple of eight, of a row of source.cols() columns.
template <class S>
concept RowSource = requires(const S& source, int row, int col, float (&v)[row_chunk]) {
  { source.cols() } -> std::convertible_to<int>;
  source.load(row, col, v);
};

/// x as it is. Moves 4 bytes an element of float, 2 of f16 and bf16.
template <RowElement T>
struct Rows {
  MatrixView<const T> x;

  VERNIER_HD constexpr int cols() const { return x.cols; }
  __device__ __forceinline__ void load(int row, int col, float (&v)[row_chunk]) const { load_chunk(x.row(row) + col, v); }
};

/// residual + delta, which becomes the residual. Moves 12 bytes an element.
struct AddedRows {
  MatrixView<float> residual;
  MatrixView<const float> delta;

  VERNIER_HD constexpr int cols() const { return residual.cols; }
  __device__ __forceinline__ void load(int row, int col, float (&v)[row_chunk]) const {
    load_chunk<float>(residual.row(row) + col, v);
    float add[row_chunk];
    load_chunk(delta.row(row) + col, add);
#pragma unroll
    for (int i = 0; i < row_chunk; ++i) v[i] += add[i];
    store_chunk(residual.row(row) + col, v);
  }
};

/// silu(gate) * up. Moves 8 bytes an element; about 45 instructions, half of what the memory leaves time for on an H100.
struct SwigluRows {
  MatrixView<const float> gate, up;

  VERNIER_HD constexpr int cols() const { return gate.cols; }
  __device__ __forceinline__ void load(int row, int col, float (&v)[row_chunk]) const {
    float times[row_chunk];
    load_chunk(gate.row(row) + col, v);
    load_chunk(up.row(row) + col, times);
#pragma unroll
    for (int i = 0; i < row_chunk; ++i) v[i] = ops::silu(v[i]) * times[i];
  }
};

/// Row ids[row] of a table. An id that is outside the table gives NaN: device code cannot refuse it, and a wrong row would look right.
template <RowElement T>
struct TableRows {
  MatrixView<const T> table;
  const int* ids;

  VERNIER_HD constexpr int cols() const { return table.cols; }
  __device__ __forceinline__ void load(int row, int col, float (&v)[row_chunk]) const {
    const int id = ids[row];
    if (static_cast<unsigned>(id) < static_cast<unsigned>(table.rows)) return load_chunk(table.row(id) + col, v);
#pragma unroll
    for (int i = 0; i < row_chunk; ++i) v[i] = bits_float(0x7fc00000u);
  }
};

}  // namespace vernier::cuda
