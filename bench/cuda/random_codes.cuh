// Operands of ordinary size in any format, made on the device: no NaN, no infinity, every bit busy, since a tensor core that multiplies
// zeros takes less power and may run faster.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "vernier/cuda/isa.cuh"
#include "vernier/cuda/on_arch.cuh"
#include "vernier/types/precision.hpp"

namespace vernier::bench {

/// 32 random bits for each index (the finaliser of MurmurHash3).
VERNIER_HD constexpr std::uint32_t hashed(std::uint64_t index, std::uint32_t seed) {
  std::uint32_t h = static_cast<std::uint32_t>(index) ^ static_cast<std::uint32_t>(index >> 32) * 0x9e3779b9u ^ seed * 0x85ebca6bu;
  h = (h ^ h >> 16) * 0x85ebca6bu;
  h = (h ^ h >> 13) * 0xc2b2ae35u;
  return h ^ h >> 16;
}

/// Codes from random bits: floats of four binades, 1/8 to 2; i8 without -128; any nf4.
VERNIER_HD constexpr std::uint32_t ordinary(Precision p, std::uint32_t r) {
  switch (p) {
    case Precision::f16: return (r & 0x8fff8fffu) | 0x30003000u;
    case Precision::bf16: return (r & 0x81ff81ffu) | 0x3e003e00u;
    case Precision::e4m3: return (r & 0x9f9f9f9fu) | 0x20202020u;
    case Precision::e5m2: return (r & 0x8f8f8f8fu) | 0x30303030u;
    case Precision::i8: return r | 0x01010101u;
    case Precision::f32: return (r & 0x80ffffffu) | 0x3e000000u;
    case Precision::nf4: break;
  }
  return r;
}

struct FillCodesArgs {
  std::uint32_t* words;
  std::uint64_t count;
  Precision precision;
  std::uint32_t seed;
};

struct FillCodes {
  using Args = FillCodesArgs;
  static constexpr int threads = 256, shared_bytes = 0;
  __device__ static void run(const Args& args, unsigned char*) {
    for (std::uint64_t i = std::uint64_t{blockIdx.x} * threads + threadIdx.x; i < args.count; i += std::uint64_t{gridDim.x} * threads)
      args.words[i] = ordinary(args.precision, hashed(i, args.seed));
  }
};

struct FillScalesArgs {
  float* values;
  std::uint64_t count;
  float unit;
  std::uint32_t seed;
};

/// From half a unit to one and a half.
struct FillScales {
  using Args = FillScalesArgs;
  static constexpr int threads = 256, shared_bytes = 0;
  __device__ static void run(const Args& args, unsigned char*) {
    for (std::uint64_t i = std::uint64_t{blockIdx.x} * threads + threadIdx.x; i < args.count; i += std::uint64_t{gridDim.x} * threads)
      args.values[i] = args.unit * (0.5f + static_cast<float>(hashed(i, args.seed) >> 8) * 0x1p-24f);
  }
};

inline cuda::Grid fill_grid(std::uint64_t count) {
  return {static_cast<unsigned>(std::clamp<std::uint64_t>((count + 255) / 256, 1, 4096))};
}

/// bytes: a multiple of 4.
inline void fill_codes(Arch arch, void* to, std::size_t bytes, Precision p, std::uint32_t seed, cuda::Stream stream) {
  cuda::launch_on<FillCodes>(arch, fill_grid(bytes / 4), {static_cast<std::uint32_t*>(to), bytes / 4, p, seed}, stream);
}
inline void fill_scales(Arch arch, float* to, std::size_t count, float unit, std::uint32_t seed, cuda::Stream stream) {
  if (count != 0) cuda::launch_on<FillScales>(arch, fill_grid(count), {to, count, unit, seed}, stream);
}

}  // namespace vernier::bench
