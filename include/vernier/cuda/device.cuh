// The device that a host thread works with, and CUDA's errors as exceptions.
#pragma once

#include <cuda_runtime_api.h>

#include <string_view>

#include "vernier/core/error.hpp"
#include "vernier/cuda/block.cuh"

namespace vernier::cuda {

/// Throws Error with the name and the words of a CUDA error, if it is one.
inline void check(cudaError_t code, std::string_view where) {
  if (code == cudaSuccess) return;
  const bool no_image = code == cudaErrorNoKernelImageForDevice || code == cudaErrorInvalidDeviceFunction;
  fail(where, cudaGetErrorName(code), ", ", cudaGetErrorString(code),
       no_image ? "; compile for this device, as with -gencode arch=compute_90a,code=sm_90a for 9.0" : "");
}

struct Device {
  int index = 0;
  int capability = 0;  // compute capability times ten
};

/// The current device.
inline Device current_device() {
  constexpr std::string_view where = "vernier::cuda::current_device";
  Device device;
  int major = 0, minor = 0;
  check(cudaGetDevice(&device.index), where);
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device.index), where);
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device.index), where);
  device.capability = 10 * major + minor;
  return device;
}

/// Throws Error, with both names, unless kernels of `arch` are made for the device.
inline void expect_serves(Arch arch, const Device& device, std::string_view where) {
  if (serves(arch, device.capability)) return;
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device.index), where);
  fail(where, "this kernel is for ", name(arch), ", but device ", device.index, ", ", properties.name, ", has compute capability ",
       device.capability / 10, ".", device.capability % 10, "; choose a kernel of its architecture");
}

}  // namespace vernier::cuda
