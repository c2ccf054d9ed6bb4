// The products of a forward on a CUDA device, behind functions that are compiled once for each architecture and format of weights
// (cuda_products_kernels.cuh): kernels by the hundred take minutes.
#pragma once

#include "common/model/cuda_rows.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/gemm/mma_launch.cuh"
#include "vernier/policy/arch.hpp"
#include "vernier/types/precision.hpp"

namespace vernier::model {

/// x * w^T, x being in the format `operand`.
struct CudaProduct {
  cuda::WeightView w;
  const float* bias = nullptr;  // (n), or null
  Precision operand = Precision::f16;
  CudaRows x;
  cuda::GemmOptions options;
};

/// Kernels of architecture A for weights in W. Every function puts one launch into the stream.
template <Arch A, Precision W>
struct CudaProducts {
  /// y = x * w^T + bias.
  static void store(const CudaProduct& product, MatrixView<float> y);
  /// y += x * w^T + bias.
  static void add(const CudaProduct& product, MatrixView<float> y);
  /// y = silu(gate) * up, both of the gated matrix w. y is in the operand's format; float where that is i8.
  static void swiglu(const CudaProduct& product, CudaRows y);
};

/// use(CudaProducts<A, the precision of the weights>).
template <Arch A, class Use>
void visit_products(const CudaProduct& product, Use&& use) {
  visit_precision(product.w.format.precision, [&]<Precision W>() {
    if constexpr (W != Precision::f32) use(CudaProducts<A, W>{});
  });
}

}  // namespace vernier::model
