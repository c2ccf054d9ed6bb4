// Kernels that do nothing but what limits others: read memory, or keep the tensor cores busy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "cuda/random_codes.cuh"
#include "vernier/cuda/isa.cuh"
#include "vernier/cuda/launch.cuh"
#include "vernier/cuda/vector.cuh"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/fp8.hpp"
#include "vernier/types/int8.hpp"

namespace vernier::bench {

struct ReadMemoryArgs {
  const std::uint32_t* words;
  std::uint64_t chunks;  // of 16 bytes
  int passes;
  std::uint32_t* sink;  // written if the bits of all words together are one certain number, which the compiler cannot rule out
};

/// Each thread reads 16 bytes, eight times before it looks at them. In each pass blocks take the place of others, so that what one has read
/// before is not in its L1.
struct ReadMemory {
  using Args = ReadMemoryArgs;
  static constexpr int threads = 256, shared_bytes = 0, ahead = 8;
  __device__ static void run(const Args& args, unsigned char*) {
    using Chunk = cuda::Vector<std::uint32_t, 4>;
    std::uint32_t sum = 0;
    const std::uint64_t step = std::uint64_t{gridDim.x} * threads;
    for (int pass = 0; pass < args.passes; ++pass) {
      const unsigned block = (blockIdx.x + static_cast<unsigned>(pass) * 37) % gridDim.x;
      for (std::uint64_t first = std::uint64_t{block} * threads + threadIdx.x; first < args.chunks; first += ahead * step) {
        Chunk chunks[ahead];
#pragma unroll
        for (int i = 0; i < ahead; ++i) {
          const std::uint64_t at = first + static_cast<std::uint64_t>(i) * step;
          chunks[i] = at < args.chunks ? cuda::load_vector<std::uint32_t, 4>(args.words + 4 * at) : Chunk{};
        }
#pragma unroll
        for (int i = 0; i < ahead; ++i) sum ^= chunks[i].at[0] ^ chunks[i].at[1] ^ chunks[i].at[2] ^ chunks[i].at[3];
      }
    }
    if (sum == 0x12345678u) *args.sink = sum;
  }
};

struct PeakArgs {
  int rounds;
  float* sink;  // as in ReadMemoryArgs
};

template <class T>
using PeakSum = std::conditional_t<std::is_same_v<T, i8>, int, float>;

/// The precision of the random codes of a type.
template <class T>
inline constexpr Precision peak_precision = std::is_same_v<T, f16>    ? Precision::f16
                                            : std::is_same_v<T, bf16> ? Precision::bf16
                                            : std::is_same_v<T, i8>   ? Precision::i8
                                                                      : Precision::e4m3;

/// mma.sync, the instruction of the library's kernels: eight independent sums a warp, operands in registers.
template <Arch A, class T>
struct MmaPeak {
  using Args = PeakArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 256, shared_bytes = 0, chains = 8;
  /// Operations of a block and round.
  static constexpr double operations = 2.0 * 16 * 8 * (32 / static_cast<int>(sizeof(T))) * chains * (threads / 32);

  __device__ static void run(const Args& args, unsigned char*) {
    PeakSum<T> c[chains][4] = {};
    std::uint32_t a[4], b[2];
#pragma unroll
    for (int i = 0; i < 4; ++i) a[i] = ordinary(peak_precision<T>, hashed(threadIdx.x * 8 + static_cast<unsigned>(i), 1));
#pragma unroll
    for (int i = 0; i < 2; ++i) b[i] = ordinary(peak_precision<T>, hashed(threadIdx.x * 8 + static_cast<unsigned>(i), 2));
    for (int round = 0; round < args.rounds; ++round)
#pragma unroll
      for (int i = 0; i < chains; ++i) multiply(c[i], a, b);
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 4 * chains; ++i) sum += static_cast<float>(c[i / 4][i % 4]);
    if (sum == 12345.0f) *args.sink = sum;
  }

 private:
  __device__ __forceinline__ static void multiply(PeakSum<T> (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    if constexpr (std::is_same_v<T, f16>)
      cuda::mma_m16n8k16_f16(c, a, b);
    else if constexpr (std::is_same_v<T, bf16>)
      cuda::mma_m16n8k16_bf16(c, a, b);
    else if constexpr (std::is_same_v<T, i8>)
      cuda::mma_m16n8k32_s8(c, a, b);
    else
      cuda::mma_m16n8k32_e4m3(c, a, b);
  }
};

/// wgmma, the only way to all of a Hopper's tensor cores: two warpgroups, operands in shared memory, 64 x 256 sums each.
template <Arch A, class T>
struct WgmmaPeak {
  using Args = PeakArgs;
  static constexpr Arch arch = A;
  static constexpr int row_bytes = 128, a_bytes = 64 * row_bytes, b_bytes = 256 * row_bytes;
  static constexpr int threads = 256, shared_bytes = a_bytes + b_bytes, least_blocks = 1, steps = 16;
  static constexpr double operations = 2.0 * 64 * 256 * (32 / static_cast<int>(sizeof(T))) * steps * (threads / 128);

  __device__ static void run(const Args& args, unsigned char* shared) {
    auto* const words = reinterpret_cast<std::uint32_t*>(shared);
    for (unsigned i = threadIdx.x; i < shared_bytes / 4; i += threads) words[i] = ordinary(peak_precision<T>, hashed(i, 3));
    cuda::fence_proxy_async();
    __syncthreads();
    const std::uint64_t a = cuda::wgmma_descriptor(shared, 8 * row_bytes, cuda::Swizzle::b128);
    const std::uint64_t b = cuda::wgmma_descriptor(shared + a_bytes, 8 * row_bytes, cuda::Swizzle::b128);
    PeakSum<T> d[128];
#pragma unroll
    for (int i = 0; i < 128; ++i) d[i] = 0;
    for (int round = 0; round < args.rounds; ++round) {
      cuda::wgmma_fence();
#pragma unroll
      for (int step = 0; step < steps; ++step) {
        const auto k = static_cast<std::uint64_t>(2 * (step % 4));  // 32 bytes, in units of 16
        cuda::wgmma<T>(d, a + k, b + k);
      }
      cuda::wgmma_commit();
      cuda::wgmma_wait<0>();
    }
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 128; ++i) sum += static_cast<float>(d[i]);
    if (sum == 12345.0f) *args.sink = sum;
  }
};

}  // namespace vernier::bench
