// The CUDA devices of this machine, as far as host code asks: cuda_device.cu where nvcc compiles it, cuda_none.cpp where there is none.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/device/device.hpp"
#include "vernier/cuda/runtime_types.hpp"

namespace vernier::model {

struct CudaDevices {
  std::vector<cuda::DeviceInfo> all;
  std::string why_none;  // where there is none
};

/// Needs no driver: without one there is no device.
CudaDevices find_cuda_devices();

/// Why this device cannot run a model of this shape; empty where it can.
std::string why_not(const cuda::DeviceInfo& device, const ModelConfig& config);

/// Makes a device that has kernels the current one of the calling thread, and of whichever thread runs its models.
std::unique_ptr<Device> open_cuda(const cuda::DeviceInfo& device);

}  // namespace vernier::model
