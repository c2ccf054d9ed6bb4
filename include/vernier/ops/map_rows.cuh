// Rows whose elements do not need each other: eight to a thread, over as many blocks as that takes, so that a single token's row is spread
// over the machine. What becomes of an element is the source's business (ops/row_sources.cuh).
#pragma once

#include <cstdint>

#include "vernier/cuda/block.cuh"
#include "vernier/ops/row_sources.cuh"

namespace vernier::cuda {

template <RowSource Source, RowElement T>
struct MapArgs {
  Source source;
  MatrixView<T> out;  // (t, n); null where the source writes by itself
};

/// out = source. Any order of blocks; out may be memory that the source reads, if at the same place.
template <Arch A, RowSource Source, RowElement T>
struct MapRows {
  static_assert(is_cuda(A), "vernier::cuda::MapRows: arch must be sm80, sm89 or sm90a");
  using Args = MapArgs<Source, T>;
  static constexpr Arch arch = A;
  static constexpr int threads = 256, shared_bytes = 0;

  __device__ static void run(const Args& args, unsigned char*) {
    const unsigned chunks = static_cast<unsigned>(args.out.cols) / row_chunk, i = blockIdx.x * threads + threadIdx.x;
    const int row = static_cast<int>(i / chunks), col = static_cast<int>(i % chunks) * row_chunk;
    if (row >= args.out.rows) return;
    float v[row_chunk];
    args.source.load(row, col, v);
    if (args.out.data != nullptr) store_chunk(args.out.row(row) + col, v);
  }
};

}  // namespace vernier::cuda
