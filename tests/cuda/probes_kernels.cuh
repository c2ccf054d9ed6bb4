// The probes of whole kernels, by operation. A new operation is a file probes_<operation>.cuh and a line here.
#pragma once

#include "cuda/probes_attention.cuh"
#include "cuda/probes_gemm.cuh"
#include "cuda/probes_ops.cuh"
#include "cuda/probes_sample.cuh"

namespace vernier::probes {

template <class Machine>
std::vector<Family<Machine>> kernel_families() {
  return {
      {"Attention", probe_attention<Machine>},
      {"Gemm", probe_gemms<Machine>},
      {"Ops", probe_ops<Machine>},
      {"Sample", probe_sampling<Machine>},
  };
}

}  // namespace vernier::probes
