// Clusters of sm_90: neighbouring blocks, up to eight, that run at the same time and reach into each other's shared memory. A Block asks
// for them with a member `cluster` (block.cuh). No block's memory may be touched before a first cluster_sync(), which says that all have
// begun, nor after its block has ended: a last cluster_sync() keeps them all.
#pragma once

#include <cstdint>

#include "vernier/cuda/cluster_address.cuh"
#include "vernier/cuda/ptx_bulk_sm90.cuh"
#include "vernier/cuda/shared_address.cuh"

namespace vernier::cuda {

/// The block's number within its cluster.
__device__ __forceinline__ unsigned cluster_rank() {
  unsigned rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}
__device__ __forceinline__ unsigned cluster_size() {
  unsigned size;
  asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  return size;
}

/// Comes to the barrier of all threads of the cluster; cluster_wait() waits for the others and must follow before the next arrival. What
/// threads did before their arrival is visible behind the wait. Warps come as a whole.
__device__ __forceinline__ void cluster_arrive() { asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory"); }
__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }
__device__ __forceinline__ void cluster_sync() {
  cluster_arrive();
  cluster_wait();
}

/// Where block `rank` of the cluster has what this block has at `shared`.
__device__ __forceinline__ ClusterAddress cluster_address(const void* shared, unsigned rank) {
  ClusterAddress address;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(address.bits) : "r"(shared_address(shared)), "r"(rank));
  return address;
}

/// 4 or 16 bytes of another block's shared memory, aligned to their size.
__device__ __forceinline__ void ld_cluster(std::uint32_t (&r)[1], ClusterAddress from) {
  asm volatile("ld.shared::cluster.b32 %0, [%1];" : "=r"(r[0]) : "r"(from.bits) : "memory");
}
__device__ __forceinline__ void ld_cluster(std::uint32_t (&r)[4], ClusterAddress from) {
  asm volatile("ld.shared::cluster.v4.b32 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from.bits)
               : "memory");
}
__device__ __forceinline__ void st_cluster(ClusterAddress to, const std::uint32_t (&r)[1]) {
  asm volatile("st.shared::cluster.b32 [%0], %1;" ::"r"(to.bits), "r"(r[0]) : "memory");
}
__device__ __forceinline__ void st_cluster(ClusterAddress to, const std::uint32_t (&r)[4]) {
  asm volatile("st.shared::cluster.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(to.bits), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
}

/// Arrives at another block's mbarrier, whose waiters see what this thread did before if they wait with the function below.
__device__ __forceinline__ void mbarrier_arrive_cluster(ClusterAddress barrier) {
  asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(barrier.bits) : "memory");
}
/// mbarrier_try_wait_parity() for arrivals from other blocks.
__device__ __forceinline__ void mbarrier_try_wait_parity_cluster(std::uint64_t* barrier, unsigned parity) {
  int done = 0;
  while (done == 0)
    asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], %2;\nselp.s32 %0, 1, 0, p;\n}"
                 : "=r"(done)
                 : "r"(shared_address(barrier)), "r"(parity)
                 : "memory");
}

/// bulk_load() into every block whose bit is set in `blocks`: at the same place in each, and completed on the mbarrier at the same place.
__device__ __forceinline__ void bulk_load_multicast(void* shared, const void* global, int bytes, std::uint64_t* barrier,
                                                    std::uint16_t blocks) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1], %2, [%3], %4;" ::"r"(
                   shared_address(shared)),
               "l"(global), "r"(bytes), "r"(shared_address(barrier)), "h"(blocks)
               : "memory");
}
/// tensor_load() likewise.
__device__ __forceinline__ void tensor_load_multicast(void* shared, const TensorMap& map, std::uint64_t* barrier, std::uint16_t blocks,
                                                      int x, int y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%4, %5}], [%2], %3;" ::
          "r"(shared_address(shared)),
      "l"(&map), "r"(shared_address(barrier)), "h"(blocks), "r"(x), "r"(y)
      : "memory");
}
__device__ __forceinline__ void tensor_load_multicast(void* shared, const TensorMap& map, std::uint64_t* barrier, std::uint16_t blocks,
                                                      int x, int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%4, %5, %6}], [%2], "
      "%3;" ::"r"(shared_address(shared)),
      "l"(&map), "r"(shared_address(barrier)), "h"(blocks), "r"(x), "r"(y), "r"(z)
      : "memory");
}
/// Copies `bytes`, a multiple of 16, from this block's shared memory to another's, and completes them on an mbarrier of that block.
__device__ __forceinline__ void bulk_copy_cluster(ClusterAddress to, const void* shared, int bytes, ClusterAddress barrier) {
  asm volatile("cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to.bits),
               "r"(shared_address(shared)), "r"(bytes), "r"(barrier.bits)
               : "memory");
}

}  // namespace vernier::cuda
