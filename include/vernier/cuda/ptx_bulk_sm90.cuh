// Bulk copies of sm_90: one thread names a run of bytes or a box of a tensor, and the copy engine moves it. Also what lets warps specialise
// and launches overlap. wgmma has a file of its own.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "vernier/cuda/shared_address.cuh"

namespace vernier::cuda {

/// A tensor in global memory and the box that one copy moves, as tensor_map() encodes it (tensor_map.cuh). A kernel takes it as a
/// `const __grid_constant__` argument.
struct TensorMap {
  CUtensorMap bits;
};

/// Makes what this thread wrote to shared memory visible to the copy engine and to wgmma.
__device__ __forceinline__ void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/// Copies `bytes`, a multiple of 16, between 16-byte aligned addresses; completes `bytes` on the mbarrier.
__device__ __forceinline__ void bulk_load(void* shared, const void* global, int bytes, std::uint64_t* barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(shared_address(shared)),
               "l"(global), "r"(bytes), "r"(shared_address(barrier))
               : "memory");
}
/// The box of a tensor whose first element is at these coordinates, the innermost first. What lies outside the tensor is zero. `shared` is
/// 128-byte aligned, or as the swizzle asks for; the bytes of the whole box are completed on the mbarrier.
__device__ __forceinline__ void tensor_load(void* shared, const TensorMap& map, std::uint64_t* barrier, int x) {
  asm volatile(
      "cp.async.bulk.tensor.1d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3}], [%2];" ::"r"(shared_address(shared)),
      "l"(&map), "r"(shared_address(barrier)), "r"(x)
      : "memory");
}
__device__ __forceinline__ void tensor_load(void* shared, const TensorMap& map, std::uint64_t* barrier, int x, int y) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
                   shared_address(shared)),
               "l"(&map), "r"(shared_address(barrier)), "r"(x), "r"(y)
               : "memory");
}
__device__ __forceinline__ void tensor_load(void* shared, const TensorMap& map, std::uint64_t* barrier, int x, int y, int z) {
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(
                   shared_address(shared)),
               "l"(&map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z)
               : "memory");
}

/// The other way, in groups of the calling thread: fence_proxy_async() first, then stores, bulk_commit(), and bulk_wait() before the
/// shared memory is written again or the block ends.
__device__ __forceinline__ void bulk_store(void* global, const void* shared, int bytes) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(global), "r"(shared_address(shared)), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void tensor_store(const TensorMap& map, const void* shared, int x) {
  asm volatile("cp.async.bulk.tensor.1d.global.shared::cta.bulk_group [%0, {%2}], [%1];" ::"l"(&map), "r"(shared_address(shared)), "r"(x)
               : "memory");
}
__device__ __forceinline__ void tensor_store(const TensorMap& map, const void* shared, int x, int y) {
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];" ::"l"(&map), "r"(shared_address(shared)),
               "r"(x), "r"(y)
               : "memory");
}
__device__ __forceinline__ void tensor_store(const TensorMap& map, const void* shared, int x, int y, int z) {
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(&map), "r"(shared_address(shared)),
               "r"(x), "r"(y), "r"(z)
               : "memory");
}
__device__ __forceinline__ void bulk_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
/// Waits until at most Pending of the thread's newest groups are not complete.
template <int Pending>
__device__ __forceinline__ void bulk_wait() {
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(Pending) : "memory");
}

/// True in one lane of the warp, of which all lanes are here: for what one thread does on behalf of all, without a branch that could
/// diverge.
__device__ __forceinline__ bool elect_one() {
  int elected;
  asm volatile("{\n.reg .pred p;\nelect.sync _|p, 0xffffffff;\nselp.s32 %0, 1, 0, p;\n}" : "=r"(elected)::"memory");
  return elected != 0;
}
/// Gives the warpgroup more or fewer registers a thread: a multiple of 8 from 24 to 256. All of its warps do this. sm_90a.
template <int Registers>
__device__ __forceinline__ void setmaxnreg_inc() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Registers));
}
template <int Registers>
__device__ __forceinline__ void setmaxnreg_dec() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Registers));
}

/// Waits until the launch before this one has finished and its writes are visible, where launches overlap; otherwise nothing.
__device__ __forceinline__ void griddepcontrol_wait() { asm volatile("griddepcontrol.wait;" ::: "memory"); }
/// Lets the next launch begin.
__device__ __forceinline__ void griddepcontrol_launch_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

}  // namespace vernier::cuda
