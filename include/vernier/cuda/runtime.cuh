// What host code asks of CUDA beside launches, one function for each call of the CUDA runtime: devices, memory, copies, streams, graphs.
// nvcc compiles the calls (runtime_device.cuh); a host compiler gets the emulated device of the SIMT emulator, if its folder is on the
// include path. Owners are in memory.cuh, stream.cuh and graph.cuh: use those.
#pragma once

#if defined(__CUDACC__)
#include "vernier/cuda/runtime_device.cuh"
#elif __has_include("simt/runtime.hpp")
#include "simt/runtime.hpp"
#else
#error "vernier/cuda: compile CUDA kernels with nvcc, or put the SIMT emulator (the folder tests) on the include path; see docs/simt.md"
#endif
