// expect: vernier::cuda::gemm: tile_k must be 32 or 64, rows of 64 or 128 bytes
#include "vernier/gemm/cuda_config.hpp"

static_assert(vernier::cuda::check<vernier::cuda::GemmConfig{.tile_k = 48}>());
