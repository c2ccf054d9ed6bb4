// cp.async: copies from global to shared memory that go on while the thread computes. A thread waits for its own copies alone, so that a
// barrier must follow before others read them.
#pragma once

#include <cstdint>

#include "vernier/cuda/shared_address.cuh"

namespace vernier::cuda {

/// How L2 is to treat the lines of a copy: a value from one of the functions below.
struct CachePolicy {
  std::uint64_t bits;
};
/// For what is read once, such as the weights of a decode step.
__device__ __forceinline__ CachePolicy evict_first_policy() {
  CachePolicy policy;
  asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy.bits));
  return policy;
}
/// For what all blocks read, such as the activations.
__device__ __forceinline__ CachePolicy evict_last_policy() {
  CachePolicy policy;
  asm volatile("createpolicy.fractional.L2::evict_last.b64 %0, 1.0;" : "=l"(policy.bits));
  return policy;
}

/// Copies 4, 8 or 16 bytes through L1. Both addresses are multiples of Bytes; of the bytes only the first global_bytes are read, and the
/// rest is zero. With global_bytes = 0 the global address need not exist.
template <int Bytes>
__device__ __forceinline__ void cp_async_ca(void* shared, const void* global, int global_bytes = Bytes) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "vernier::cuda::cp_async_ca: Bytes must be 4, 8 or 16");
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(shared)), "l"(global), "n"(Bytes), "r"(global_bytes)
               : "memory");
}
/// Copies 16 bytes past L1, and asks L2 to fetch the 128 bytes around them.
__device__ __forceinline__ void cp_async_cg(void* shared, const void* global, int global_bytes = 16) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(global_bytes)
               : "memory");
}
__device__ __forceinline__ void cp_async_cg(void* shared, const void* global, int global_bytes, CachePolicy policy) {
  asm volatile("cp.async.cg.shared.global.L2::cache_hint.L2::128B [%0], [%1], 16, %2, %3;" ::"r"(shared_address(shared)), "l"(global),
               "r"(global_bytes), "l"(policy.bits)
               : "memory");
}
/// Copies 16 bytes past L1, or writes as many zeros: then the global address need not exist. Cheaper than a number of bytes.
__device__ __forceinline__ void cp_async_cg_or_zero(void* shared, const void* global, bool copies) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.eq.s32 p, %2, 0;\ncp.async.cg.shared.global.L2::128B [%0], [%1], 16, p;\n}" ::"r"(shared_address(shared)),
      "l"(global), "r"(static_cast<int>(copies))
      : "memory");
}

/// Closes a group of the copies since the last one; a group may be empty.
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits until at most Pending of the thread's newest groups are in flight.
template <int Pending>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}
/// Arrives at the mbarrier once all of the thread's copies so far have landed. The barrier's count must include this arrival.
__device__ __forceinline__ void cp_async_mbarrier_arrive_noinc(std::uint64_t* barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(shared_address(barrier)) : "memory");
}

}  // namespace vernier::cuda
