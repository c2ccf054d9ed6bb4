// Memory accesses that C++ cannot express: with an order at the scope of the device, in vectors, or added to what is there.
#pragma once

#include <cstdint>

#include "vernier/cuda/shared_address.cuh"

namespace vernier::cuda {

/// What the writer did before its st_release or red_release_add is visible after an ld_acquire that reads its value.
__device__ __forceinline__ int ld_acquire(const int* p) {
  int value;
  asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(value) : "l"(p) : "memory");
  return value;
}
__device__ __forceinline__ void st_release(int* p, int value) {
  asm volatile("st.release.gpu.global.s32 [%0], %1;" ::"l"(p), "r"(value) : "memory");
}
__device__ __forceinline__ void red_release_add(int* p, int value) {
  asm volatile("red.release.gpu.global.add.s32 [%0], %1;" ::"l"(p), "r"(value) : "memory");
}
/// Adds and returns what was there; both an acquire and a release.
__device__ __forceinline__ int atom_acq_rel_add(int* p, int value) {
  int before;
  asm volatile("atom.acq_rel.gpu.global.add.s32 %0, [%1], %2;" : "=r"(before) : "l"(p), "r"(value) : "memory");
  return before;
}

/// *p += value, without order.
__device__ __forceinline__ void red_add(float* p, float value) {
  asm volatile("red.relaxed.gpu.global.add.f32 [%0], %1;" ::"l"(p), "f"(value) : "memory");
}
/// The same for pairs; p is 4-byte aligned.
__device__ __forceinline__ void red_add_f16x2(std::uint32_t* p, std::uint32_t value) {
  asm volatile("red.relaxed.gpu.global.add.noftz.f16x2 [%0], %1;" ::"l"(p), "r"(value) : "memory");
}
/// sm_90.
__device__ __forceinline__ void red_add_bf16x2(std::uint32_t* p, std::uint32_t value) {
  asm volatile("red.relaxed.gpu.global.add.noftz.bf16x2 [%0], %1;" ::"l"(p), "r"(value) : "memory");
}

/// 4, 8 or 16 bytes of global memory that nothing writes during the launch and that are read once: kept out of L1. Aligned to their size.
__device__ __forceinline__ void ld_global_stream(std::uint32_t (&r)[1], const void* p) {
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.b32 %0, [%1];" : "=r"(r[0]) : "l"(p));
}
__device__ __forceinline__ void ld_global_stream(std::uint32_t (&r)[2], const void* p) {
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v2.b32 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "l"(p));
}
__device__ __forceinline__ void ld_global_stream(std::uint32_t (&r)[4], const void* p) {
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.b32 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "l"(p));
}
/// Writes 4, 8 or 16 bytes that this launch will not read again: first to leave the caches. Aligned to their size.
__device__ __forceinline__ void st_global_stream(void* p, const std::uint32_t (&r)[1]) {
  asm volatile("st.global.cs.b32 [%0], %1;" ::"l"(p), "r"(r[0]) : "memory");
}
__device__ __forceinline__ void st_global_stream(void* p, const std::uint32_t (&r)[2]) {
  asm volatile("st.global.cs.v2.b32 [%0], {%1,%2};" ::"l"(p), "r"(r[0]), "r"(r[1]) : "memory");
}
__device__ __forceinline__ void st_global_stream(void* p, const std::uint32_t (&r)[4]) {
  asm volatile("st.global.cs.v4.b32 [%0], {%1,%2,%3,%4};" ::"l"(p), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
}

/// 4, 8 or 16 bytes of shared memory, aligned to their size. The emulator counts the bank conflicts of these.
__device__ __forceinline__ void ld_shared(std::uint32_t (&r)[1], const void* p) {
  asm volatile("ld.shared.b32 %0, [%1];" : "=r"(r[0]) : "r"(shared_address(p)) : "memory");
}
__device__ __forceinline__ void ld_shared(std::uint32_t (&r)[2], const void* p) {
  asm volatile("ld.shared.v2.b32 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(shared_address(p)) : "memory");
}
__device__ __forceinline__ void ld_shared(std::uint32_t (&r)[4], const void* p) {
  asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(p))
               : "memory");
}
__device__ __forceinline__ void st_shared(void* p, const std::uint32_t (&r)[1]) {
  asm volatile("st.shared.b32 [%0], %1;" ::"r"(shared_address(p)), "r"(r[0]) : "memory");
}
__device__ __forceinline__ void st_shared(void* p, const std::uint32_t (&r)[2]) {
  asm volatile("st.shared.v2.b32 [%0], {%1,%2};" ::"r"(shared_address(p)), "r"(r[0]), "r"(r[1]) : "memory");
}
__device__ __forceinline__ void st_shared(void* p, const std::uint32_t (&r)[4]) {
  asm volatile("st.shared.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(shared_address(p)), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
}

}  // namespace vernier::cuda
