// What is known of a device, as values that host code without CUDA can hold too.
#pragma once

#include <cstddef>
#include <string>

namespace vernier::cuda {

struct DeviceInfo {
  int index = 0;
  std::string name;    // "NVIDIA H100 80GB HBM3"
  int capability = 0;  // compute capability times ten
  int processors = 0;  // streaming multiprocessors
  std::size_t memory_bytes = 0;
};

/// Memory of the current device. Other processes may take of it at any time.
struct MemoryInfo {
  std::size_t free_bytes = 0, total_bytes = 0;
};

}  // namespace vernier::cuda
