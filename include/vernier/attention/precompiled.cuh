// Include this with attention.cuh in a program of several translation units: the kernels are then compiled elsewhere, once.
// One file of the program must hold `template struct vernier::cuda::AttentionKernels<vernier::Precision::X>;` for each X, and include
// attention_kernels.cuh alone; a file for each keeps their compilation short. Without this header nothing needs to be linked.
#pragma once

#include "vernier/attention/attention_kernels.cuh"

namespace vernier::cuda {

extern template struct AttentionKernels<Precision::f16>;
extern template struct AttentionKernels<Precision::bf16>;
extern template struct AttentionKernels<Precision::i8>;
extern template struct AttentionKernels<Precision::e4m3>;
extern template struct AttentionKernels<Precision::e5m2>;

}  // namespace vernier::cuda
