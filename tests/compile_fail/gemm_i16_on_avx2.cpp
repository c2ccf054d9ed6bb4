// expect: vernier::cpu::gemm: i16 multiplies are for avx512; use Multiply::f32
#include "vernier/gemm/config.hpp"

using namespace vernier;
static_assert(cpu::check<cpu::GemmConfig{.isa = cpu::Isa::avx2, .weight = Precision::f16, .multiply = cpu::Multiply::i16, .tile_m = 1}>());
