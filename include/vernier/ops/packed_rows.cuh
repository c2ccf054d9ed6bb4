// Rows of a table whose weights are packed for CUDA's GEMM (layout/mma_tile.hpp): embeddings that share their bytes with the head.
#pragma once

#include <cstdint>

#include "vernier/layout/mma_weights.hpp"
#include "vernier/ops/row_sources.cuh"
#include "vernier/types/type_of.hpp"

namespace vernier::cuda {

namespace detail {

struct Nf4Values {
  float at[16];
};
/// By nibble of a tile, exactly.
inline constexpr Nf4Values nf4_values = [] {
  Nf4Values values{};
  for (unsigned place = 0; place < 16; ++place) values.at[place] = nf4::values[MmaTile::nf4_code(place)];
  return values;
}();

}  // namespace detail

/// Row ids[row] of a packed table, dequantised: code times scale. Eight columns are a lane's run, in words of 32 bits. An id outside the
/// table gives NaN, as in TableRows.
template <Precision P>
struct PackedRows {
  WeightView table;  // in P, not gated
  const int* ids;

  VERNIER_HD constexpr int cols() const { return table.k; }
  __device__ __forceinline__ void load(int row, int col, float (&v)[row_chunk]) const {
    static_assert(row_chunk == MmaTile::run, "vernier::cuda::PackedRows: a chunk is a run of codes");
    const int id = ids[row];
    if (static_cast<unsigned>(id) >= static_cast<unsigned>(table.n)) {
#pragma unroll
      for (int i = 0; i < row_chunk; ++i) v[i] = bits_float(0x7fc00000u);
      return;
    }
    const MmaTile tile{P, table.n, table.k};
    const int group = table.scale_group == 0 ? 0 : col / table.scale_group;  // a group is a multiple of 32 columns
    const float scale = table.scales == nullptr ? 1.0f : table.scales[MmaTile::scale_index(id, group, table.scale_groups)];
    constexpr int word = MmaTile::word(P);
#pragma unroll
    for (int begin = 0; begin < row_chunk; begin += word) {
      const std::uint32_t codes = *reinterpret_cast<const std::uint32_t*>(table.codes + tile.byte_offset(id, col + begin));
#pragma unroll
      for (int i = 0; i < word; ++i) v[begin + i] = value(codes >> i * bits(P)) * scale;
    }
  }

 private:
  /// Of the code in the lowest bits.
  __device__ __forceinline__ static float value(std::uint32_t codes) {
    if constexpr (P == Precision::nf4) {
      constexpr detail::Nf4Values values = detail::nf4_values;  // here, or device code has no address of it
      return values.at[codes & 15u];
    } else {
      return TypeOf<P>{static_cast<decltype(TypeOf<P>::bits)>(codes)}.decode();
    }
  }
};

}  // namespace vernier::cuda
