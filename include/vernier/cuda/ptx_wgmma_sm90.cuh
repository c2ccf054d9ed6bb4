// wgmma of sm_90a: a warpgroup multiplies matrices that lie in shared memory, while its threads go on. The sums are the threads' registers,
// and undefined from the first instruction until wgmma_wait().
#pragma once

#include <cstdint>

#include "vernier/cuda/ptx_wgmma_float_sm90.cuh"
#include "vernier/cuda/ptx_wgmma_int_sm90.cuh"
#include "vernier/cuda/shared_address.cuh"
#include "vernier/cuda/tensor.cuh"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/fp8.hpp"
#include "vernier/types/int8.hpp"

namespace vernier::cuda {

/// Names a matrix in shared memory, k contiguous, whose rows are `swizzle_bytes(swizzle)` long and lie as a tensor copy with this swizzle
/// leaves them; eight rows are `group_bytes` from the next eight. To advance in k, add the bytes / 16 to the descriptor. Without a swizzle
/// the unit is eight rows of 16 bytes, 128 contiguous bytes: `k_bytes` is from one to the next along k.
__device__ __forceinline__ std::uint64_t wgmma_descriptor(const void* shared, int group_bytes, Swizzle swizzle, int k_bytes = 16) {
  constexpr std::uint64_t field = 0x3fff;  // addresses and distances are in units of 16 bytes
  const std::uint64_t mode = swizzle == Swizzle::none ? 0 : swizzle == Swizzle::b128 ? 1 : swizzle == Swizzle::b64 ? 2 : 3;
  return (shared_address(shared) >> 4 & field) | (static_cast<std::uint64_t>(k_bytes) >> 4 & field) << 16 |
         (static_cast<std::uint64_t>(group_bytes) >> 4 & field) << 32 | mode << 62;
}

/// Before the first wgmma, and whenever other instructions have written the sums.
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Waits until at most Pending of the newest groups are under way. Sums of the others may be read, and their operands overwritten.
template <int Pending>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}

namespace detail {

/// The words of wgmma that the type of its operands decides: shape and types, and what follows the operands where A is in shared memory and
/// where it is in registers.
template <class T>
struct WgmmaWords;
template <>
struct WgmmaWords<f16> {
  static constexpr char shape[] = "k16.f32.f16.f16", shared[] = ", 1, 1, 0, 0", registers[] = ", 1, 1, 0";
};
template <>
struct WgmmaWords<bf16> {
  static constexpr char shape[] = "k16.f32.bf16.bf16", shared[] = ", 1, 1, 0, 0", registers[] = ", 1, 1, 0";
};
template <>
struct WgmmaWords<e4m3> {
  static constexpr char shape[] = "k32.f32.e4m3.e4m3", shared[] = ", 1, 1", registers[] = ", 1, 1";
};
template <>
struct WgmmaWords<e5m2> {
  static constexpr char shape[] = "k32.f32.e5m2.e5m2", shared[] = ", 1, 1", registers[] = ", 1, 1";
};
template <>
struct WgmmaWords<i8> {
  static constexpr char shape[] = "k32.s32.s8.s8", shared[] = "", registers[] = "";
};

}  // namespace detail

/// d += a * b^T for a (64, k) and b (n, k), both in shared memory; k is 32 bytes. n is twice the number of sums: 8, 16, 32, 64, 96, 128,
/// 192 or 256. Of warp v of four, lane l holds in d[i] the sum of row 16v + l / 4 + 8 (i / 2 % 2) and column 8 (i / 4) + 2 (l % 4) + i % 2.
/// T is f16, bf16, e4m3 or e5m2 with sums in float, or i8 with sums in int.
template <class T, class Sum, int Sums>
__device__ __forceinline__ void wgmma(Sum (&d)[Sums], std::uint64_t a, std::uint64_t b) {
  detail::wgmma_sums<detail::WgmmaWords<T>>(d, a, b);
}
/// The same with `a` in registers, which lie in each warp as those of mma_m16n8k16 or mma_m16n8k32, for its 16 rows. They must not change
/// before wgmma_wait().
template <class T, class Sum, int Sums>
__device__ __forceinline__ void wgmma(Sum (&d)[Sums], const std::uint32_t (&a)[4], std::uint64_t b) {
  detail::wgmma_sums<detail::WgmmaWords<T>>(d, a, b);
}

}  // namespace vernier::cuda
