// Launching on a GPU: the only __global__ function of the library. nvcc compiles this; launch.cuh is what to include.
#pragma once

#include <cuda_runtime.h>

#include "vernier/cuda/device.cuh"

namespace vernier::cuda {

using Stream = cudaStream_t;

/// Runs B. Its body is compiled only for devices that it is made for; launch() has refused the others. The config of a kernel rides inside
/// the type B, because nvcc cannot launch a template whose direct argument is a struct.
template <class B>
__global__ void __launch_bounds__(B::threads, least_blocks_of<B>) kernel(const __grid_constant__ typename B::Args args) {
  static_assert(Block<B>, "vernier::cuda::kernel: B needs arch, threads, shared_bytes, Args and run(args, shared); see cuda/block.cuh");
  extern __shared__ __align__(1024) unsigned char vernier_shared[];
#if defined(__CUDA_ARCH__)
  if constexpr (serves(B::arch, __CUDA_ARCH__ / 10)) B::run(args, vernier_shared);
#endif
}

/// Starts B on `stream` and returns. What args points to must live until the stream has passed it. Throws Error if the current device is
/// not of B's architecture or CUDA refuses the launch; then nothing runs.
template <Block B>
void launch(Grid grid, const typename B::Args& args, Stream stream = nullptr) {
  constexpr std::string_view where = "vernier::cuda::launch";
  constexpr int without_asking = 48 << 10;  // bytes of shared memory
  expect_serves(B::arch, current_device(), where);
  if constexpr (B::shared_bytes > without_asking)
    check(cudaFuncSetAttribute(kernel<B>, cudaFuncAttributeMaxDynamicSharedMemorySize, B::shared_bytes), where);
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(grid.x, grid.y, grid.z);
  config.blockDim = dim3(static_cast<unsigned>(B::threads));
  config.dynamicSmemBytes = B::shared_bytes;
  config.stream = stream;
  cudaLaunchAttribute attributes[2] = {};
  config.attrs = attributes;
  constexpr unsigned cluster = cluster_of<B>;
  if constexpr (cluster > 1) {
    expect(grid.x % cluster == 0, where, "a grid of ", grid.x, " blocks along x is no multiple of the cluster's ", cluster);
    cudaLaunchAttribute& attribute = attributes[config.numAttrs++];
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim = {cluster, 1, 1};
  }
  if constexpr (starts_early<B>) {
    cudaLaunchAttribute& attribute = attributes[config.numAttrs++];
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
  }
  check(cudaLaunchKernelEx(&config, kernel<B>, args), where);
}

}  // namespace vernier::cuda
