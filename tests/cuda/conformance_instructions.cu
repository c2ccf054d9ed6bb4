#include "cuda/conformance.hpp"
#include "cuda/probes_instructions.cuh"

void vernier::probes::run_instructions(DeviceMachine& machine, std::vector<Outcome>& outcomes) {
  for (const auto& family : instruction_families<DeviceMachine>()) family.probe(machine, outcomes);
}
