// See cpu_llama.hpp.
#include "common/model/cpu_llama.hpp"

namespace vernier::model {

template class Llama<CpuBackend>;

}  // namespace vernier::model
