// What a CUDA device can do at most, as numbers that host code without CUDA can hold too.
#pragma once

namespace vernier::bench {

struct DeviceLimits {
  double read = 0;                              // bytes per second from memory
  double f16 = 0, bf16 = 0, int8 = 0, fp8 = 0;  // operations per second of the tensor cores; 0 where there is no such instruction
};

}  // namespace vernier::bench
