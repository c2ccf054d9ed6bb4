// A CUDA device of one architecture, and the Llama on it. Compiled once for each architecture.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "common/device/cuda_archs.hpp"
#include "common/device/placed_llama.hpp"
#include "common/model/cuda_backend.cuh"
#include "common/model/cuda_weights.cuh"
#include "cuda/device_limits.cuh"

namespace vernier::model {

template <Arch A>
class CudaDevice final : public Device {
 public:
  explicit CudaDevice(cuda::DeviceInfo info) : info_(std::move(info)) { cuda::runtime::use_device(info_.index); }

  std::string name() const override { return concat("cuda:", info_.index, " (", info_.name, ", ", vernier::name(A), ")"); }

  std::optional<cuda::MemoryInfo> memory() const override {
    cuda::runtime::use_device(info_.index);
    return cuda::runtime::memory_info();
  }

  std::optional<DeviceLimits> limits() override {
    cuda::runtime::use_device(info_.index);
    if (!probe_) probe_ = std::make_unique<bench::DeviceProbe<A>>(info_.processors, std::size_t{512} << 20);
    const bench::DeviceLimits limits = probe_->measure();
    return DeviceLimits{limits.read, limits.f16, limits.bf16, limits.int8};
  }

  KvLayout kv_layout(const KvConfig& config, const KvGeometry& geometry) const override {
    return cuda::KvCache::layout_for(config, geometry);
  }

  std::unique_ptr<PlacedModel> place(std::shared_ptr<const Weights> weights, Activations activations) override {
    weights->pack();
    cuda::runtime::use_device(info_.index);
    auto on_device = std::make_shared<const CudaWeights>(to_cuda(*weights, activations));
    return std::make_unique<PlacedLlama<CudaBackend<A>>>(std::move(on_device), CudaBackend<A>(info_));
  }

 private:
  cuda::DeviceInfo info_;
  std::unique_ptr<bench::DeviceProbe<A>> probe_;  // for who asks
};

/// What open_cuda() calls for a device of architecture A.
template <Arch A>
std::unique_ptr<Device> open_cuda_on(const cuda::DeviceInfo& device) {
  return std::make_unique<CudaDevice<A>>(device);
}

}  // namespace vernier::model
