// The probes of single instructions, by family. A new family is a file probes_<family>.cuh and a line here.
#pragma once

#include "cuda/probes_bulk.cuh"
#include "cuda/probes_math.cuh"
#include "cuda/probes_matrix.cuh"
#include "cuda/probes_memory.cuh"
#include "cuda/probes_wgmma.cuh"

namespace vernier::probes {

template <class Machine>
std::vector<Family<Machine>> instruction_families() {
  return {
      {"Matrix", probe_matrix<Machine>}, {"Memory", probe_memory<Machine>}, {"Math", probe_maths<Machine>},
      {"Bulk", probe_bulk<Machine>},     {"Wgmma", probe_wgmmas<Machine>},
  };
}

}  // namespace vernier::probes
