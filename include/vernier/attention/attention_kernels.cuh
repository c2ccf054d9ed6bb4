// The kernels of attention for one format of the cache: the unit of explicit instantiation, in a file that does not include attention.cuh,
// which asks for all formats. The kernel itself is in block_sm80.cuh.
#pragma once

#include "vernier/attention/block_sm80.cuh"
#include "vernier/core/error.hpp"
#include "vernier/cuda/on_arch.cuh"

namespace vernier::cuda {

/// The kernels for the head sizes of one precision.
template <Precision P>
struct AttentionKernels {
  /// Launches the units of one size: warps is 1 or 4.
  static void launch(int warps, Arch arch, Grid grid, const AttentionArgs& args, Stream stream);

 private:
  template <int HeadDim>
  static void launch_size(int warps, Arch arch, Grid grid, const AttentionArgs& args, Stream stream) {
    constexpr AttentionConfig small{.precision = P, .head_dim = HeadDim, .warps = small_rows / 16, .stages = 3};
    constexpr AttentionConfig large{.precision = P, .head_dim = HeadDim, .warps = large_rows / 16, .stages = 2};
    if (warps == small.warps) return launch_on<AttentionSm80<small>>(arch, grid, args, stream);
    launch_on<AttentionSm80<large>>(arch, grid, args, stream);
  }
};

// Outside the class, hence not inline: an `extern template` then keeps the kernels out of a translation unit.
template <Precision P>
void AttentionKernels<P>::launch(int warps, Arch arch, Grid grid, const AttentionArgs& args, Stream stream) {
  switch (args.layout.geometry.head_dim) {
    case 64: return launch_size<64>(warps, arch, grid, args, stream);
    case 80: return launch_size<80>(warps, arch, grid, args, stream);
    case 96: return launch_size<96>(warps, arch, grid, args, stream);
    case 128: return launch_size<128>(warps, arch, grid, args, stream);
    default: break;
  }
  fail("vernier::cuda::attention", "head_dim = ", args.layout.geometry.head_dim, ", expected 64, 80, 96 or 128");
}

}  // namespace vernier::cuda
