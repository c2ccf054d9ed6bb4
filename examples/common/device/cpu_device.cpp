// The processor as a device.
#include "common/device/placed_llama.hpp"
#include "common/model/cpu_llama.hpp"
#include "vernier/core/error.hpp"

namespace vernier::model {
namespace {

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(cpu::ThreadPool& pool) : pool_(&pool) {}

  std::string name() const override { return concat("cpu (", cpu::name(cpu::selected_isa()), ", ", pool_->size(), " threads)"); }
  std::optional<cuda::MemoryInfo> memory() const override { return std::nullopt; }
  std::optional<DeviceLimits> limits() override { return std::nullopt; }
  KvLayout kv_layout(const KvConfig& config, const KvGeometry& geometry) const override { return {config, geometry}; }

  std::unique_ptr<PlacedModel> place(std::shared_ptr<const Weights> weights, Activations activations) override {
    return std::make_unique<PlacedLlama<CpuBackend>>(std::move(weights), CpuBackend(*pool_, activations));
  }

 private:
  cpu::ThreadPool* pool_;
};

}  // namespace

std::unique_ptr<Device> open_cpu(cpu::ThreadPool& pool) { return std::make_unique<CpuDevice>(pool); }

}  // namespace vernier::model
