// device_tests: the tests of the CUDA backend that hold on any device, on the GPU of this machine. On one without a device it says so.
#include <cstdio>

#include "model/cuda_llama_cases.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const vernier::model::CudaDevices devices = vernier::model::find_cuda_devices();
  if (devices.all.empty()) {
    std::printf("no CUDA device: %s\n", devices.why_none.c_str());
    return 0;
  }
  std::printf("on %s\n", devices.all[0].name.c_str());
  return RUN_ALL_TESTS();
}
