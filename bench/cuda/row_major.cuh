// The codes of a packed matrix in plain rows, for other libraries: the same weights, and so the same right result.
#pragma once

#include <cstdint>

#include "vernier/cuda/isa.cuh"
#include "vernier/layout/mma_weights.hpp"
#include "vernier/types/precision.hpp"

namespace vernier::bench {

struct RowMajorArgs {
  cuda::WeightView w;
  std::uint8_t* codes;  // (n, k) of 8 bits; of nf4 (n, k / 2), the even column in the upper half of a byte, as bitsandbytes has it
  float* absmax;        // of nf4, (n, k / 64); else null
};

/// A thread for each byte.
template <Precision P>
struct RowMajor {
  static_assert(bits(P) <= 8, "vernier::bench::RowMajor: 16-bit weights are what gather_rows() gives");
  using Args = RowMajorArgs;
  static constexpr int threads = 256, shared_bytes = 0, per_byte = 8 / bits(P);

  __device__ static void run(const Args& args, unsigned char*) {
    const MmaTile tile = args.w.tile();
    const int width = args.w.k / per_byte;
    const std::int64_t bytes = static_cast<std::int64_t>(args.w.n) * width;
    for (std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x; i < bytes; i += std::int64_t{gridDim.x} * threads) {
      const int row = static_cast<int>(i / width), col = static_cast<int>(i % width) * per_byte;
      const std::uint8_t stored = args.w.codes[tile.byte_offset(row, col)];
      args.codes[i] = stored;
      if constexpr (P == Precision::nf4) {
        args.codes[i] = static_cast<std::uint8_t>(MmaTile::nf4_code(stored & 15u) << 4 | MmaTile::nf4_code(stored >> 4));
        if (col % 64 == 0)
          args.absmax[static_cast<std::int64_t>(row) * (args.w.k / 64) + col / 64] =
              args.w.scales[MmaTile::scale_index(row, col / args.w.scale_group, args.w.scale_groups)];
      }
    }
  }
};

}  // namespace vernier::bench
