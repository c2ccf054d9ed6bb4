// The probes of single instructions, by family. A new family is a file probes_<family>.cuh and a line here.
#pragma once

#include "cuda/probes_bulk.cuh"
#include "cuda/probes_cluster.cuh"
#include "cuda/probes_math.cuh"
#include "cuda/probes_matrix.cuh"
#include "cuda/probes_memory.cuh"
#include "cuda/probes_wgmma.cuh"

namespace vernier::probes {

template <class Machine>
std::vector<Family<Machine>> instruction_families() {
  return {
      {"Matrix", probe_matrix<Machine>},     // ldmatrix, stmatrix, mma
      {"Memory", probe_memory<Machine>},     // cp.async, atomics, barriers, vectors
      {"Math", probe_maths<Machine>},        // packed arithmetic, fp8
      {"Bulk", probe_bulk<Machine>},         // the copy engine
      {"Cluster", probe_clusters<Machine>},  // other blocks' shared memory
      {"Wgmma", probe_wgmmas<Machine>},
  };
}

}  // namespace vernier::probes
