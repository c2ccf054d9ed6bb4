// Include this with attention.hpp in a program of several translation units: the kernels are then compiled elsewhere, once.
// One file of the program must hold `template struct vernier::IsaAttention<vernier::cpu::Isa::X>;` for each X; kernels/ in the
// repository has such files. Without this header nothing needs to be linked.
#pragma once

#include "vernier/attention/kernels.hpp"

namespace vernier {

extern template struct IsaAttention<cpu::Isa::scalar>;
extern template struct IsaAttention<cpu::Isa::avx2>;
extern template struct IsaAttention<cpu::Isa::avx512>;

}  // namespace vernier
