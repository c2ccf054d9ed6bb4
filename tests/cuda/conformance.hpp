// The parts of the program conformance, in files of their own because nvcc compiles each three times, which takes its time.
// conformance.cu reports.
#pragma once

#include <vector>

#include "cuda/machine_device.cuh"
#include "cuda/probe.hpp"

namespace vernier::probes {

/// Run the probes of probes_instructions.cuh, and of probes_kernels.cuh.
void run_instructions(DeviceMachine& machine, std::vector<Outcome>& outcomes);
void run_kernels(DeviceMachine& machine, std::vector<Outcome>& outcomes);

}  // namespace vernier::probes
