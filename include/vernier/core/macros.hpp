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

// A region of functions for one instruction set, whatever flags the user compiles with: TARGET_AVX2 or TARGET_AVX512 before it, TARGET_END
// after it (VNNI and BF16 bring BW and F, and these AVX2, FMA and F16C). clang ignores GCC's pragma. g++ 12 warns about its own intrinsics,
// which start from undefined vectors; that is silenced inside.
#if defined(__clang__)
#define VERNIER_TARGET_AVX2 _Pragma("clang attribute push(__attribute__((target(\"avx2,fma,f16c\"))), apply_to = function)")
#define VERNIER_TARGET_AVX512 \
  _Pragma("clang attribute push(__attribute__((target(\"avx512vl,avx512dq,avx512vnni,avx512bf16\"))), apply_to = function)")
#define VERNIER_TARGET_END _Pragma("clang attribute pop")
#else
#define VERNIER_TARGET_AVX2                                                                           \
  _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,fma,f16c\")") _Pragma("GCC diagnostic push") \
      _Pragma("GCC diagnostic ignored \"-Wuninitialized\"") _Pragma("GCC diagnostic ignored \"-Wmaybe-uninitialized\"")
#define VERNIER_TARGET_AVX512                                                                                                   \
  _Pragma("GCC push_options") _Pragma("GCC target(\"avx512vl,avx512dq,avx512vnni,avx512bf16\")") _Pragma("GCC diagnostic push") \
      _Pragma("GCC diagnostic ignored \"-Wuninitialized\"") _Pragma("GCC diagnostic ignored \"-Wmaybe-uninitialized\"")
#define VERNIER_TARGET_END _Pragma("GCC diagnostic pop") _Pragma("GCC pop_options")
#endif
