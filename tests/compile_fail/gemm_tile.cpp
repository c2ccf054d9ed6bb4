// expect: vernier::cpu::gemm: tile_m must be 1 to 16 tokens
#include "vernier/gemm/config.hpp"

static_assert(vernier::cpu::check<vernier::cpu::GemmConfig{.tile_m = 17}>());
