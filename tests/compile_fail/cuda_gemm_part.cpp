// expect: vernier::cuda::gemm: part is 64 for nf4; 0, 32 or 64 for i8; 0 or 64 for fp8 (128 in products of e4m3); else 0
#include "vernier/gemm/mma_config.hpp"

static_assert(vernier::cuda::check<vernier::cuda::MmaConfig{.weight = vernier::Precision::nf4}>());
