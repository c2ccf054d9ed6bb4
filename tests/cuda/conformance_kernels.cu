#include "cuda/conformance.hpp"
#include "cuda/probes_kernels.cuh"

void vernier::probes::run_kernels(DeviceMachine& machine, std::vector<Outcome>& outcomes) {
  for (const auto& family : kernel_families<DeviceMachine>()) family.probe(machine, outcomes);
}
