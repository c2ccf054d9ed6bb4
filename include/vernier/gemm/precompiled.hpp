// Include this with gemm.hpp in a program of several translation units: the default kernels are then compiled elsewhere, once.
// One file of the program must hold `template struct vernier::cpu::IsaKernels<vernier::cpu::DefaultGemmTable, vernier::cpu::Isa::X>;` for
// each X; kernels/ in the repository has such files. Without this header nothing needs to be linked.
#pragma once

#include "vernier/router/router.hpp"

namespace vernier::cpu {

extern template struct IsaKernels<DefaultGemmTable, Isa::scalar>;
extern template struct IsaKernels<DefaultGemmTable, Isa::avx2>;
extern template struct IsaKernels<DefaultGemmTable, Isa::avx512>;

}  // namespace vernier::cpu
