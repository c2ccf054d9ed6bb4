// The instruction layer: one function for each PTX instruction that kernels of this library use, with no policy in it.
// nvcc gets inline PTX (the ptx_*.cuh beside this file, where each function is described); a host compiler gets the SIMT emulator's
// versions of the same functions, if its folder is on the include path (docs/simt.md). What CUDA itself spells as a function, such as
// __shfl_xor_sync, kernels call by that name.
#pragma once

#if defined(__CUDACC__)
#include "vernier/cuda/ptx_barrier.cuh"
#include "vernier/cuda/ptx_bulk_sm90.cuh"
#include "vernier/cuda/ptx_cluster_sm90.cuh"
#include "vernier/cuda/ptx_convert.cuh"
#include "vernier/cuda/ptx_copy.cuh"
#include "vernier/cuda/ptx_math.cuh"
#include "vernier/cuda/ptx_matrix.cuh"
#include "vernier/cuda/ptx_memory.cuh"
#include "vernier/cuda/ptx_wgmma_sm90.cuh"
#elif __has_include("simt/isa.hpp")
#include "simt/isa.hpp"
#else
#error "vernier/cuda: compile CUDA kernels with nvcc, or put the SIMT emulator (the folder tests) on the include path; see docs/simt.md"
#endif
