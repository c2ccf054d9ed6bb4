// expect: vernier::cuda::gemm: <bytes of all stages, bytes of shared memory>: lower stages or a tile
// expect: fits_shared_memory<163840, 101376>
#include "vernier/gemm/cuda_config.hpp"

using vernier::cuda::GemmConfig;
static_assert(vernier::cuda::check<GemmConfig{.arch = vernier::Arch::sm89, .tile_m = 128, .tile_n = 128, .tile_k = 64, .stages = 5}>());
