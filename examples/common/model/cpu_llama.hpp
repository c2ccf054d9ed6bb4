// The forward on the CPU, compiled once for all programs (cpu_llama.cpp).
#pragma once

#include "common/model/cpu_backend.hpp"
#include "common/model/llama.hpp"

namespace vernier::model {

extern template class Llama<CpuBackend>;

}  // namespace vernier::model
