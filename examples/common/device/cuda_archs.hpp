// The architectures whose kernels a program has: those that it was configured for. examples/CMakeLists.txt writes the list.
#pragma once

#include <memory>
#include <span>

#include "common/device/device.hpp"
#include "vernier/cuda/runtime_types.hpp"
#include "vernier/policy/arch.hpp"

namespace vernier::model {

/// A device of architecture A. Compiled once for each (cuda_llama.cuh).
template <Arch A>
std::unique_ptr<Device> open_cuda_on(const cuda::DeviceInfo& device);

struct CudaArch {
  Arch arch;
  std::unique_ptr<Device> (*open)(const cuda::DeviceInfo&);
};

template <Arch... As>
std::span<const CudaArch> cuda_archs_of() {
  static constexpr CudaArch all[] = {{As, open_cuda_on<As>}...};
  return all;
}

std::span<const CudaArch> cuda_archs();

}  // namespace vernier::model
