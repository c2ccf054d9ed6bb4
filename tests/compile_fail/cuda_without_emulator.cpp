// expect: vernier/cuda: compile CUDA kernels with nvcc, or put the SIMT emulator (the folder tests) on the include path; see docs/simt.md
#include "vernier/cuda/isa.cuh"
