// expect: vernier::cpu::gemm: <accumulators + 2 operands, vector registers>: lower tile_m
// expect: fits_registers<34, 16>
#include "vernier/gemm/config.hpp"

static_assert(vernier::cpu::check<vernier::cpu::GemmConfig{.isa = vernier::cpu::Isa::avx2, .tile_m = 8}>());
