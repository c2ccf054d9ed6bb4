// Every macro of the library. None of them takes code, and there will be no more than six.
#pragma once

#define VERNIER_VERSION_MAJOR 0
#define VERNIER_VERSION_MINOR 1

// Marks a function that a CUDA kernel may call as well as the host; empty for a plain host compiler.
#if defined(__CUDACC__)
#define VERNIER_HD __host__ __device__
#else
#define VERNIER_HD
#endif
