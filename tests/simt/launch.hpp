// Runs a kernel on the emulator. The whole interface for tests; what kernels see is in builtins.hpp.
#pragma once

#include <utility>

#include "simt/builtins.hpp"
#include "simt/scheduler.hpp"

namespace simt {

using detail::Kernel;
using detail::Launch;

/// Runs `kernel(shared)` in every thread of the grid, `shared` being its block's dynamic shared memory. Returns when all threads have
/// exited. Throws Fault at the first thing that a GPU forbids or would hang on; what the kernel had written until then stays.
inline Counters run(const Launch& launch, const Options& options, const Kernel& kernel) {
  detail::Machine machine(launch, options, kernel);
  machine.run();
  return machine.counters;
}

}  // namespace simt
