// The current CUDA device as a machine for probes.
#pragma once

#include <functional>
#include <vector>

#include "vernier/cuda/device.cuh"
#include "vernier/cuda/launch.cuh"

namespace vernier::probes {

/// Copies arrays there before a launch, and back behind it.
class DeviceMachine {
 public:
  explicit DeviceMachine(Arch arch) : arch_(arch) {}
  Arch arch() const { return arch_; }

  template <class T>
  T* array(std::vector<T>& values) {
    T* device = nullptr;
    const std::size_t bytes = values.size() * sizeof(T);
    cuda::check(cudaMalloc(&device, bytes), "probe");
    cuda::check(cudaMemcpy(device, values.data(), bytes, cudaMemcpyHostToDevice), "probe");
    fetch_.push_back([&values, device, bytes] {
      cuda::check(cudaMemcpy(values.data(), device, bytes, cudaMemcpyDeviceToHost), "probe");
      cuda::check(cudaFree(device), "probe");
    });
    return device;
  }

  /// Least is the oldest architecture that has the probe's instructions: for older ones it is not compiled.
  template <template <Arch> class Probe, Arch Least = Arch::sm80, class Args>
  void launch(cuda::Grid grid, const Args& args) {
    launch_for<Probe, Arch::sm80, Least>(grid, args);
    launch_for<Probe, Arch::sm89, Least>(grid, args);
    launch_for<Probe, Arch::sm90a, Least>(grid, args);
    cuda::check(cudaDeviceSynchronize(), "probe");
    for (const auto& fetch : fetch_) fetch();
    fetch_.clear();
  }

 private:
  template <template <Arch> class Probe, Arch A, Arch Least, class Args>
  void launch_for(cuda::Grid grid, const Args& args) {
    if constexpr (A >= Least)
      if (A == arch_) cuda::launch<Probe<A>>(grid, args);
  }

  Arch arch_;
  std::vector<std::function<void()>> fetch_;
};

}  // namespace vernier::probes
