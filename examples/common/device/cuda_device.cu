// See cuda_device.hpp. What depends on the architecture is compiled in files of its own (open_cuda_on).
#include "common/device/cuda_device.hpp"

#include <utility>

#include "common/device/cuda_archs.hpp"
#include "vernier/attention/cuda_config.hpp"
#include "vernier/core/error.hpp"
#include "vernier/cuda/block.cuh"
#include "vernier/cuda/runtime.cuh"
#include "vernier/ops/sample_mass.hpp"

namespace vernier::model {
namespace {

/// What this program runs on a device, or null.
const CudaArch* arch_of(const cuda::DeviceInfo& device) {
  for (const CudaArch& arch : cuda_archs())
    if (cuda::serves(arch.arch, device.capability)) return &arch;
  return nullptr;
}

std::string no_kernels(const cuda::DeviceInfo& device) {
  std::string names;
  for (const CudaArch& arch : cuda_archs()) names += concat(names.empty() ? "" : ", ", name(arch.arch));
  return concat("this program has no kernels for compute capability ", device.capability / 10, ".", device.capability % 10, ", but for ",
                names, device.capability < 80 ? "; older devices than 8.0 have none" : "");
}

}  // namespace

CudaDevices find_cuda_devices() {
  CudaDevices found;
  const int count = cuda::runtime::device_count();
  for (int i = 0; i < count; ++i) found.all.push_back(cuda::runtime::device_info(i));
  if (count == 0) found.why_none = cuda::runtime::why_no_device();
  return found;
}

std::string why_not(const cuda::DeviceInfo& device, const ModelConfig& config) {
  if (arch_of(device) == nullptr) return no_kernels(device);
  if (!cuda::is_attention_head_dim(config.head_dim)) return concat("head_dim = ", config.head_dim, ", expected 64, 80, 96 or 128");
  for (const auto& [name, width] : {std::pair("hidden size", config.hidden), std::pair("FFN size", config.ffn)})
    if (width % 16 != 0) return concat(name, " = ", width, ", expected a multiple of 16");
  if (config.vocab > cuda::most_vocabulary)
    return concat("the vocabulary has ", config.vocab, " tokens, expected at most ", cuda::most_vocabulary);
  return {};
}

std::unique_ptr<Device> open_cuda(const cuda::DeviceInfo& device) {
  const CudaArch* const arch = arch_of(device);
  expect(arch != nullptr, "vernier::model::open_cuda", arch == nullptr ? no_kernels(device) : "");
  return arch->open(device);
}

}  // namespace vernier::model
