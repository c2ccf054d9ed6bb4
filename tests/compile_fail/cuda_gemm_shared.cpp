// expect: vernier::cuda::gemm: <bytes of all stages, bytes of shared memory>: lower stages, warps_k or a tile
// expect: ring_fits_shared_memory<167936, 101376>
#include "vernier/gemm/mma_config.hpp"

static_assert(vernier::cuda::check<vernier::cuda::MmaConfig{.arch = vernier::Arch::sm89, .stages = 8}>());
