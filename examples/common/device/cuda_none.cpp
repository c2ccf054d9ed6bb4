// Programs that were built without nvcc.
#include "common/device/cuda_device.hpp"
#include "vernier/core/error.hpp"

namespace vernier::model {

CudaDevices find_cuda_devices() { return {{}, "this program was built without CUDA"}; }

std::string why_not(const cuda::DeviceInfo&, const ModelConfig&) { return "this program was built without CUDA"; }

std::unique_ptr<Device> open_cuda(const cuda::DeviceInfo& device) {
  fail("vernier::model::open_cuda", device.name, ": this program was built without CUDA");
}

}  // namespace vernier::model
