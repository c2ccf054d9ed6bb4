// The default GEMM kernels for avx2, compiled once for all programs of this repository; see gemm/precompiled.hpp.
#include "vernier/router/router.hpp"

template struct vernier::cpu::IsaKernels<vernier::cpu::DefaultGemmTable, vernier::cpu::Isa::avx2>;
