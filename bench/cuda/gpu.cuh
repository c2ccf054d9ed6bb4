// The GPU that a benchmark runs on, and what is said of it in every result.
#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <optional>
#include <string>

#include "cuda/row.hpp"
#include "vernier/cuda/device.cuh"
#include "vernier/cuda/runtime.cuh"
#include "vernier/policy/arch.hpp"

extern const char* const vernier_commit;  // written by the build

namespace vernier::bench {

struct Gpu {
  cuda::DeviceInfo info;
  Arch arch = Arch::sm80;
  std::size_t l2_bytes = 0;
};

/// The first device. Where there is none that the kernels are for, a line that says so, and nothing.
inline std::optional<Gpu> find_gpu() {
  if (cuda::runtime::device_count() == 0) {
    std::printf("no CUDA device: %s\n", std::string(cuda::runtime::why_no_device()).c_str());
    return std::nullopt;
  }
  Gpu gpu{.info = cuda::runtime::device_info(0)};
  cudaDeviceProp p{};
  cuda::check(cudaGetDeviceProperties(&p, 0), "bench.cuda");
  gpu.l2_bytes = static_cast<std::size_t>(p.l2CacheSize);
  for (const Arch arch : {Arch::sm80, Arch::sm89, Arch::sm90a})
    if (cuda::serves(arch, gpu.info.capability)) {
      gpu.arch = arch;
      return gpu;
    }
  std::printf("no CUDA device: %s has compute capability %d.%d, and there are kernels from 8.0 on\n", gpu.info.name.c_str(),
              gpu.info.capability / 10, gpu.info.capability % 10);
  return std::nullopt;
}

/// NVIDIA's management library, where there is one: clocks, and the driver's version.
class Nvml {
 public:
  explicit Nvml(const Gpu& gpu) : library_(dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
    char address[32] = "";
    cuda::check(cudaDeviceGetPCIBusId(address, sizeof address, gpu.info.index), "bench.cuda");
    const auto init = function<int()>("nvmlInit_v2");
    const auto find = function<int(const char*, void**)>("nvmlDeviceGetHandleByPciBusId_v2");
    if (init == nullptr || find == nullptr || init() != 0 || find(address, &device_) != 0) device_ = nullptr;
  }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  enum Clock : int { sm = 1, memory = 2 };  // nvmlClockType_t

  /// MHz now, and at most; 0 where it is not known.
  int clock(Clock type) const { return clock("nvmlDeviceGetClockInfo", type); }
  int max_clock(Clock type) const { return clock("nvmlDeviceGetMaxClockInfo", type); }
  std::string driver() const {
    char text[96] = "";
    const auto version = function<int(char*, unsigned)>("nvmlSystemGetDriverVersion");
    return device_ != nullptr && version != nullptr && version(text, sizeof text) == 0 ? text : "unknown";
  }

 private:
  template <class Signature>
  Signature* function(const char* name) const {
    return library_ == nullptr ? nullptr : reinterpret_cast<Signature*>(dlsym(library_, name));
  }
  int clock(const char* name, Clock type) const {
    unsigned mhz = 0;
    const auto ask = function<int(void*, int, unsigned*)>(name);
    return device_ != nullptr && ask != nullptr && ask(device_, type, &mhz) == 0 ? static_cast<int>(mhz) : 0;
  }

  void* library_;
  void* device_ = nullptr;
};

/// A line of kind "device".
inline void print_gpu(const Gpu& gpu, const Nvml& nvml) {
  int runtime = 0;
  cuda::check(cudaRuntimeGetVersion(&runtime), "bench.cuda");
  Row("device")
      .add("name", gpu.info.name)
      .add("arch", name(gpu.arch))
      .add("processors", gpu.info.processors)
      .add("memory_bytes", gpu.info.memory_bytes)
      .add("l2_bytes", gpu.l2_bytes)
      .add("driver", nvml.driver())
      .add("runtime", runtime)
      .add("sm_mhz", nvml.clock(Nvml::sm))
      .add("sm_mhz_max", nvml.max_clock(Nvml::sm))
      .add("memory_mhz", nvml.clock(Nvml::memory))
      .add("commit", vernier_commit)
      .print();
}

}  // namespace vernier::bench
