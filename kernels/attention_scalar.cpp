// The attention kernels for scalar, compiled once for all programs of this repository; see attention/precompiled.hpp.
#include "vernier/attention/kernels.hpp"

template struct vernier::IsaAttention<vernier::cpu::Isa::scalar>;
