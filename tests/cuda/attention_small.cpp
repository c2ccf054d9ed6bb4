// attention_test.cpp with the kernels of one head size and of two formats, a third of the time to compile: for tests/simt/mutate, which
// runs the cases that want no others.
#include "vernier/attention/block_sm80.cuh"
#include "vernier/cuda/on_arch.cuh"

namespace vernier::cuda {

template <Precision P>
struct AttentionKernels;

/// In place of that of attention.cuh, for every precision.
template <Precision P>
requires(is_kv_precision(P)) struct AttentionKernels<P> {
  static void launch(int warps, Arch arch, Grid grid, const AttentionArgs& args, Stream stream) {
    expect(args.layout.geometry.head_dim == 64, "attention_small", "head_dim = ", args.layout.geometry.head_dim, ", expected 64");
    if constexpr (P == Precision::f16 || P == Precision::e4m3) {
      if (warps == 1)
        return launch_on<AttentionSm80<AttentionConfig{.precision = P, .head_dim = 64, .warps = 1, .stages = 3}>>(arch, grid, args, stream);
      return launch_on<AttentionSm80<AttentionConfig{.precision = P, .head_dim = 64, .warps = 4, .stages = 2}>>(arch, grid, args, stream);
    }
    fail("attention_small", "the precision is ", name(P), ", expected f16 or e4m3");
  }
};

}  // namespace vernier::cuda

#include "cuda/attention_test.cpp"
