// The architectures whose kernels the emulator's tests of the backend leave out: one is enough, and takes long enough to compile.
#include "common/device/cuda_device.hpp"
#include "vernier/core/error.hpp"
#include "vernier/policy/arch.hpp"

namespace vernier::model {

template <Arch A>
std::unique_ptr<Device> open_cuda_on(const cuda::DeviceInfo& device);

template <>
std::unique_ptr<Device> open_cuda_on<Arch::sm89>(const cuda::DeviceInfo& device) {
  fail("emulated devices", device.name, " is sm80");
}
template <>
std::unique_ptr<Device> open_cuda_on<Arch::sm90a>(const cuda::DeviceInfo& device) {
  fail("emulated devices", device.name, " is sm80");
}

}  // namespace vernier::model
