// launch<B>(grid, args, stream): runs a Block on the current device, or on the emulator where a host compiler compiles it.
#pragma once

#if defined(__CUDACC__)
#include "vernier/cuda/launch_device.cuh"
#elif __has_include("simt/launch_block.hpp")
#include "simt/launch_block.hpp"
#else
#error "vernier/cuda: compile CUDA kernels with nvcc, or put the SIMT emulator (the folder tests) on the include path; see docs/simt.md"
#endif
