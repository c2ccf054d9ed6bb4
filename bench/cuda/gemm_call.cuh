// One product as the benchmark asks for it, behind functions that are compiled once for each format of weights (gemm_kernels.cuh).
#pragma once

#include "vernier/core/matrix_view.hpp"
#include "vernier/gemm/mma_launch.cuh"
#include "vernier/types/type_of.hpp"

namespace vernier::bench {

/// y = x * w^T. x: (m, k) in the operand's format, 8-bit ones with a scale per token. y: (m, n), f16, or bf16 where the operand is.
struct GemmCall {
  cuda::WeightView w;
  Precision operand = Precision::f16;
  bool exact_nf4 = false;
  const void* x = nullptr;
  const float* x_scales = nullptr;
  void* y = nullptr;
  int m = 0;
  cuda::GemmOptions options;

  Precision result() const { return operand == Precision::bf16 ? Precision::bf16 : Precision::f16; }
};

template <Precision W>
struct GemmKernels {
  static void run(const GemmCall& call);
};

inline void run_gemm(const GemmCall& call) {
  visit_precision(call.w.format.precision, [&]<Precision W>() { GemmKernels<W>::run(call); });
}

}  // namespace vernier::bench
