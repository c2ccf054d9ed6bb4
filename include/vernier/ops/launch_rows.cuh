// Starting the row-wise kernels: which shape of block a width takes, and how many blocks. The entries are in rmsnorm.cuh, quantize_rows.cuh
// and elementwise.cuh.
#pragma once

#include <cstdint>
#include <string_view>

#include "vernier/core/math.hpp"
#include "vernier/cuda/launch.cuh"
#include "vernier/ops/map_rows.cuh"
#include "vernier/ops/row_block.cuh"

namespace vernier::cuda::detail {

/// One block a row. A row of up to 4096 columns takes 128 threads, which leaves room for eight rows on an SM; wider ones take more threads,
/// and beyond 16384 more registers. Throws Error beyond 32768 columns.
template <Arch A, bool Norm, RowSource Source, class Out>
void launch_row_blocks(std::string_view where, int rows, const RowArgs<Source, Out>& args, Stream stream) {
  constexpr RowConfig narrow{.arch = A, .threads = 128, .norm = Norm}, wide{.arch = A, .threads = 512, .norm = Norm},
      widest{.arch = A, .threads = 512, .chunks = 8, .norm = Norm};
  const int cols = args.source.cols();
  expect(cols <= widest.most_cols(), where, "a row has ", cols, " columns, expected at most ", widest.most_cols());
  if (rows == 0) return;
  const Grid grid{static_cast<unsigned>(rows)};
  if (cols <= narrow.most_cols())
    launch<RowBlock<narrow, Source, Out>>(grid, args, stream);
  else if (cols <= wide.most_cols())
    launch<RowBlock<wide, Source, Out>>(grid, args, stream);
  else
    launch<RowBlock<widest, Source, Out>>(grid, args, stream);
}

/// out = source, or what the source itself writes where out's data is null.
template <Arch A, RowSource Source, RowElement T>
void launch_map(std::string_view where, const Source& source, const MatrixView<T>& out, Stream stream) {
  const std::int64_t chunks = static_cast<std::int64_t>(out.rows) * (out.cols / row_chunk);
  expect(chunks < (std::int64_t{1} << 31), where, "(", out.rows, ", ", out.cols, ") elements, expected less than 2^34");
  if (chunks == 0) return;
  using B = MapRows<A, Source, T>;
  launch<B>(Grid{static_cast<unsigned>(ceil_div(chunks, std::int64_t{B::threads}))}, {source, out}, stream);
}

}  // namespace vernier::cuda::detail
