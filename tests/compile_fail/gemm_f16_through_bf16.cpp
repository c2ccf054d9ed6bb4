// expect: vernier::cpu::gemm: bf16 multiplies take bf16 or fp8 weights, i16 f16 or bf16, i8 i8 or nf4; use Multiply::f32
#include "vernier/gemm/config.hpp"

using namespace vernier;
static_assert(cpu::check<cpu::GemmConfig{.weight = Precision::f16, .multiply = cpu::Multiply::bf16}>());
