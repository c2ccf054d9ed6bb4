// The limits of the GPU that was found, as every benchmark measures them before it begins.
#pragma once

#include "cuda/device_limits.cuh"
#include "cuda/gpu.cuh"
#include "cuda/visit_arch.hpp"

namespace vernier::bench {

inline DeviceLimits measure_limits(const Gpu& gpu) {
  return visit_arch(gpu.arch, [&]<Arch A>() { return DeviceProbe<A>(gpu.info.processors, std::size_t{1} << 30).measure(); });
}

}  // namespace vernier::bench
