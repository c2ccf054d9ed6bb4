// The CUDA runtime behind runtime.cuh. Every call is checked; an error that an earlier kernel left shows up here too, under the name of
// the call that found it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string_view>

#include "vernier/cuda/device.cuh"
#include "vernier/cuda/runtime_types.hpp"

namespace vernier::cuda {

using Stream = cudaStream_t;

namespace runtime {

/// Devices that can be used; 0 for any reason why there is none, a missing driver among them. Never throws.
inline int device_count() noexcept {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

/// Why device_count() is 0.
inline std::string_view why_no_device() noexcept {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code == cudaErrorInsufficientDriver) return "there is no CUDA driver, or one that is older than the CUDA runtime";
  return code == cudaSuccess ? "there is no device" : cudaGetErrorString(code);
}

inline DeviceInfo device_info(int index) {
  cudaDeviceProp p{};
  check(cudaGetDeviceProperties(&p, index), "vernier::cuda::device_info");
  return {index, p.name, 10 * p.major + p.minor, p.multiProcessorCount, p.totalGlobalMem};
}

/// The device that this host thread works with.
inline int current_device_index() {
  int index = 0;
  check(cudaGetDevice(&index), "vernier::cuda::current_device_index");
  return index;
}

/// Makes a device the current one of this host thread.
inline void use_device(int index) { check(cudaSetDevice(index), "vernier::cuda::use_device"); }

inline MemoryInfo memory_info() {
  MemoryInfo info;
  check(cudaMemGetInfo(&info.free_bytes, &info.total_bytes), "vernier::cuda::memory_info");
  return info;
}

/// 256-byte aligned device memory, or null where there is not enough.
inline void* allocate(std::size_t bytes) {
  void* p = nullptr;
  const cudaError_t code = cudaMalloc(&p, bytes);
  if (code == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();  // it would be reported by the next call
    return nullptr;
  }
  check(code, "vernier::cuda::allocate");
  return p;
}

inline void release(void* p) noexcept { (void)cudaFree(p); }

/// Page-locked host memory, which copies run to and from while the host goes on; or null.
inline void* allocate_pinned(std::size_t bytes) {
  void* p = nullptr;
  const cudaError_t code = cudaMallocHost(&p, bytes);
  if (code == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    return nullptr;
  }
  check(code, "vernier::cuda::allocate_pinned");
  return p;
}

inline void release_pinned(void* p) noexcept { (void)cudaFreeHost(p); }

/// Copies between any two of host and device memory, in the order of the stream.
inline void copy(void* to, const void* from, std::size_t bytes, Stream stream) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream), "vernier::cuda::copy");
}

/// Sets bytes of device memory.
inline void fill(void* to, unsigned char byte, std::size_t bytes, Stream stream) {
  check(cudaMemsetAsync(to, byte, bytes, stream), "vernier::cuda::fill");
}

/// A stream that does not wait for the default stream.
inline Stream create_stream() {
  Stream stream{};
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "vernier::cuda::OwnedStream");
  return stream;
}

inline void destroy_stream(Stream stream) noexcept { (void)cudaStreamDestroy(stream); }

/// Waits until everything that was put into the stream has run. Throws Error for what went wrong in it.
inline void synchronize(Stream stream) { check(cudaStreamSynchronize(stream), "vernier::cuda::synchronize"); }

using Executable = cudaGraphExec_t;

/// From here on, what this thread puts into the stream is recorded and does not run.
inline void begin_recording(Stream stream) {
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "vernier::cuda::Graph");
}

/// Ends the recording, ready to run.
inline Executable end_recording(Stream stream) {
  cudaGraph_t graph{};
  check(cudaStreamEndCapture(stream, &graph), "vernier::cuda::Graph");
  Executable executable{};
  const cudaError_t code = cudaGraphInstantiate(&executable, graph, 0);
  (void)cudaGraphDestroy(graph);
  check(code, "vernier::cuda::Graph");
  return executable;
}

/// Ends a recording that is not wanted any more.
inline void drop_recording(Stream stream) noexcept {
  cudaGraph_t graph{};
  if (cudaStreamEndCapture(stream, &graph) == cudaSuccess && graph != nullptr) (void)cudaGraphDestroy(graph);
  (void)cudaGetLastError();
}

inline void replay(Executable executable, Stream stream) { check(cudaGraphLaunch(executable, stream), "vernier::cuda::Graph::replay"); }
inline void destroy(Executable executable) noexcept { (void)cudaGraphExecDestroy(executable); }

}  // namespace runtime
}  // namespace vernier::cuda
