// See cuda_device.hpp. What depends on the architecture is compiled in files of its own (open_cuda_on).
#include "common/device/cuda_device.hpp"

#include <utility>

#include "vernier/attention/cuda_config.hpp"
#include "vernier/core/error.hpp"
#include "vernier/cuda/block.cuh"
#include "vernier/cuda/runtime.cuh"

namespace vernier::model {

template <Arch A>
std::unique_ptr<Device> open_cuda_on(const cuda::DeviceInfo& device);

CudaDevices find_cuda_devices() {
  CudaDevices found;
  const int count = cuda::runtime::device_count();
  for (int i = 0; i < count; ++i) found.all.push_back(cuda::runtime::device_info(i));
  if (count == 0) found.why_none = cuda::runtime::why_no_device();
  return found;
}

std::string why_not(const cuda::DeviceInfo& device, const ModelConfig& config) {
  bool served = false;
  for (const Arch arch : {Arch::sm80, Arch::sm89, Arch::sm90a}) served = served || cuda::serves(arch, device.capability);
  if (!served)
    return concat("there are no kernels for compute capability ", device.capability / 10, ".", device.capability % 10,
                  "; they begin with 8.0");
  if (!cuda::is_attention_head_dim(config.head_dim)) return concat("head_dim = ", config.head_dim, ", expected 64, 80, 96 or 128");
  for (const auto& [name, width] : {std::pair("hidden size", config.hidden), std::pair("FFN size", config.ffn)})
    if (width % 16 != 0) return concat(name, " = ", width, ", expected a multiple of 16");
  return {};
}

std::unique_ptr<Device> open_cuda(const cuda::DeviceInfo& device) {
  if (cuda::serves(Arch::sm80, device.capability)) return open_cuda_on<Arch::sm80>(device);
  if (cuda::serves(Arch::sm89, device.capability)) return open_cuda_on<Arch::sm89>(device);
  return open_cuda_on<Arch::sm90a>(device);
}

}  // namespace vernier::model
