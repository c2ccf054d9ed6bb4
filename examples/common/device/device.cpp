// Which device a flag means.
#include "common/device/device.hpp"

#include <charconv>
#include <string_view>

#include "common/device/cuda_device.hpp"
#include "vernier/core/error.hpp"

namespace vernier::model {
namespace {

/// N of "cuda:N", 0 of "cuda", -1 of anything else.
int index_of(std::string_view flag) {
  if (flag == "cuda") return 0;
  if (!flag.starts_with("cuda:")) return -1;
  const std::string_view digits = flag.substr(5);
  int index = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  return error == std::errc() && end == digits.data() + digits.size() && index < 1024 ? index : -1;
}

/// The CUDA device that a flag other than cpu means, or nothing where it is auto.
std::optional<cuda::DeviceInfo> choose(const std::string& flag, const ModelConfig& config,
                                       const std::function<void(const std::string&)>& report) {
  const int index = index_of(flag);
  expect(flag == "auto" || index >= 0, "--device", "'", flag, "', expected auto, cpu, cuda or cuda:N");
  const CudaDevices devices = find_cuda_devices();
  if (flag == "auto") {
    for (const cuda::DeviceInfo& device : devices.all) {
      const std::string why = why_not(device, config);
      if (why.empty()) return device;
      report(concat("device: not cuda:", device.index, " (", device.name, "): ", why));
    }
    return std::nullopt;
  }
  expect(!devices.all.empty(), "--device", flag, ": ", devices.why_none, "; --device cpu runs on the processor");
  expect(static_cast<std::size_t>(index) < devices.all.size(), "--device", flag, ": there are ", devices.all.size(),
         " CUDA devices, counted from 0");
  const cuda::DeviceInfo& device = devices.all[static_cast<std::size_t>(index)];
  const std::string why = why_not(device, config);
  expect(why.empty(), "--device", flag, " (", device.name, "): ", why, "; --device cpu runs on the processor");
  return device;
}

}  // namespace

std::unique_ptr<Device> open_device(const std::string& flag, const ModelConfig& config, cpu::ThreadPool& pool,
                                    const std::function<void(const std::string&)>& report) {
  const std::optional<cuda::DeviceInfo> cuda = flag == "cpu" ? std::nullopt : choose(flag, config, report);
  std::unique_ptr<Device> device = cuda ? open_cuda(*cuda) : open_cpu(pool);
  report(concat("device: ", device->name()));
  return device;
}

}  // namespace vernier::model
