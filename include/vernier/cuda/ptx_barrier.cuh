// Barriers: the sixteen of a block, by number, and mbarriers, which lie in shared memory and also count the bytes of bulk copies.
#pragma once

#include <cstdint>

#include "vernier/cuda/shared_address.cuh"

namespace vernier::cuda {

/// Waits until `threads` threads, a multiple of 32, have come to barrier `id`. Number 0 is that of __syncthreads. Warps come as a whole.
__device__ __forceinline__ void bar_sync(int id, int threads) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"); }
/// Comes to it without waiting.
__device__ __forceinline__ void bar_arrive(int id, int threads) { asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory"); }

/// Makes 8 aligned bytes of shared memory a barrier whose phases end after `count` arrivals and when no expected byte is missing.
/// One thread does this, then fence_mbarrier_init() if bulk copies use it, then a barrier of the block.
__device__ __forceinline__ void mbarrier_init(std::uint64_t* barrier, int count) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count) : "memory");
}
__device__ __forceinline__ void mbarrier_arrive(std::uint64_t* barrier) {
  asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared.b64 state, [%0];\n}" ::"r"(shared_address(barrier)) : "memory");
}
/// Whether the phase of this parity has ended. The first phase has parity 0; that of the one before it, 1, counts as ended.
__device__ __forceinline__ bool mbarrier_test_parity(std::uint64_t* barrier, unsigned parity) {
  int done;
  asm volatile("{\n.reg .pred p;\nmbarrier.test_wait.parity.shared.b64 p, [%1], %2;\nselp.s32 %0, 1, 0, p;\n}"
               : "=r"(done)
               : "r"(shared_address(barrier)), "r"(parity)
               : "memory");
  return done != 0;
}
/// Waits until then.
__device__ __forceinline__ void mbarrier_wait_parity(std::uint64_t* barrier, unsigned parity) {
  while (!mbarrier_test_parity(barrier, parity)) {
  }
}

/// Arrives, and lets the phase wait for `bytes` more bytes of bulk copies. sm_90.
__device__ __forceinline__ void mbarrier_arrive_expect_tx(std::uint64_t* barrier, int bytes) {
  asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.expect_tx.shared.b64 state, [%0], %1;\n}" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
}
/// mbarrier_wait_parity that lets the hardware put the thread to sleep. sm_90.
__device__ __forceinline__ void mbarrier_try_wait_parity(std::uint64_t* barrier, unsigned parity) {
  int done = 0;
  while (done == 0)
    asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared.b64 p, [%1], %2;\nselp.s32 %0, 1, 0, p;\n}"
                 : "=r"(done)
                 : "r"(shared_address(barrier)), "r"(parity)
                 : "memory");
}
/// Makes initialised barriers visible to the copy engine. sm_90.
__device__ __forceinline__ void fence_mbarrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

}  // namespace vernier::cuda
