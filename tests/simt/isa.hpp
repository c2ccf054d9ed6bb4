// The instruction layer as the emulator has it: the functions of vernier/cuda/ptx_*.cuh, where each is described, with the same names.
// The last argument is the place of the call. What they do is in matrix.cpp, copy.cpp, memory.cpp, mbarrier.cpp, bulk.cpp, cluster.cpp
// and wgmma.cpp.
#pragma once

#include <cstdint>

#include "simt/builtins.hpp"
#include "simt/isa_math.hpp"
#include "simt/isa_wgmma.hpp"
#include "vernier/cuda/cluster_address.cuh"

namespace vernier::cuda {

using simt::Where;

std::uint32_t shared_address(const void* p, Where where = Where::here());

// ---- ptx_matrix.cuh
void ldmatrix(std::uint32_t (&r)[1], const void* row, Where where = Where::here());
void ldmatrix(std::uint32_t (&r)[2], const void* row, Where where = Where::here());
void ldmatrix(std::uint32_t (&r)[4], const void* row, Where where = Where::here());
void ldmatrix_trans(std::uint32_t (&r)[1], const void* row, Where where = Where::here());
void ldmatrix_trans(std::uint32_t (&r)[2], const void* row, Where where = Where::here());
void ldmatrix_trans(std::uint32_t (&r)[4], const void* row, Where where = Where::here());
void stmatrix(void* row, const std::uint32_t (&r)[4], Where where = Where::here());
void stmatrix_trans(void* row, const std::uint32_t (&r)[4], Where where = Where::here());
void mma_m16n8k16_f16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Where where = Where::here());
void mma_m16n8k16_bf16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Where where = Where::here());
void mma_m16n8k32_s8(int (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Where where = Where::here());
void mma_m16n8k32_e4m3(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Where where = Where::here());
void mma_m16n8k32_e5m2(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Where where = Where::here());

// ---- ptx_copy.cuh
struct CachePolicy {
  std::uint64_t bits;
};
inline CachePolicy evict_first_policy() { return {1}; }
inline CachePolicy evict_last_policy() { return {2}; }

}  // namespace vernier::cuda

namespace simt::detail {
void cp_async(void* shared, const void* global, int bytes, int global_bytes, Where where);
void cp_async_wait(int pending);
void bulk_wait(int pending, Where where);
}  // namespace simt::detail

namespace vernier::cuda {

template <int Bytes>
void cp_async_ca(void* shared, const void* global, int global_bytes = Bytes, Where where = Where::here()) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "vernier::cuda::cp_async_ca: Bytes must be 4, 8 or 16");
  simt::detail::cp_async(shared, global, Bytes, global_bytes, where);
}
inline void cp_async_cg(void* shared, const void* global, int global_bytes = 16, Where where = Where::here()) {
  simt::detail::cp_async(shared, global, 16, global_bytes, where);
}
inline void cp_async_cg(void* shared, const void* global, int global_bytes, CachePolicy, Where where = Where::here()) {
  simt::detail::cp_async(shared, global, 16, global_bytes, where);
}
inline void cp_async_cg_or_zero(void* shared, const void* global, bool copies, Where where = Where::here()) {
  simt::detail::cp_async(shared, global, 16, copies ? 16 : 0, where);
}
void cp_async_commit();
template <int Pending>
void cp_async_wait() {
  simt::detail::cp_async_wait(Pending);
}
void cp_async_mbarrier_arrive_noinc(std::uint64_t* barrier, Where where = Where::here());

// ---- ptx_memory.cuh
int ld_acquire(const int* p, Where where = Where::here());
void st_release(int* p, int value, Where where = Where::here());
void red_release_add(int* p, int value, Where where = Where::here());
int atom_acq_rel_add(int* p, int value, Where where = Where::here());
void red_add(float* p, float value, Where where = Where::here());
void red_add_f16x2(std::uint32_t* p, std::uint32_t value, Where where = Where::here());
void red_add_bf16x2(std::uint32_t* p, std::uint32_t value, Where where = Where::here());
void ld_global_stream(std::uint32_t (&r)[1], const void* p, Where where = Where::here());
void ld_global_stream(std::uint32_t (&r)[2], const void* p, Where where = Where::here());
void ld_global_stream(std::uint32_t (&r)[4], const void* p, Where where = Where::here());
void st_global_stream(void* p, const std::uint32_t (&r)[1], Where where = Where::here());
void st_global_stream(void* p, const std::uint32_t (&r)[2], Where where = Where::here());
void st_global_stream(void* p, const std::uint32_t (&r)[4], Where where = Where::here());
void ld_shared(std::uint32_t (&r)[1], const void* p, Where where = Where::here());
void ld_shared(std::uint32_t (&r)[2], const void* p, Where where = Where::here());
void ld_shared(std::uint32_t (&r)[4], const void* p, Where where = Where::here());
void st_shared(void* p, const std::uint32_t (&r)[1], Where where = Where::here());
void st_shared(void* p, const std::uint32_t (&r)[2], Where where = Where::here());
void st_shared(void* p, const std::uint32_t (&r)[4], Where where = Where::here());

// ---- ptx_barrier.cuh
inline void bar_sync(int id, int threads, Where where = Where::here()) {
  simt::detail::block_barrier(id, threads, true, "bar.sync", where);
}
inline void bar_arrive(int id, int threads, Where where = Where::here()) {
  simt::detail::block_barrier(id, threads, false, "bar.arrive", where);
}
void mbarrier_init(std::uint64_t* barrier, int count, Where where = Where::here());
void mbarrier_arrive(std::uint64_t* barrier, Where where = Where::here());
bool mbarrier_test_parity(std::uint64_t* barrier, unsigned parity, Where where = Where::here());
void mbarrier_wait_parity(std::uint64_t* barrier, unsigned parity, Where where = Where::here());
void mbarrier_arrive_expect_tx(std::uint64_t* barrier, int bytes, Where where = Where::here());
void mbarrier_try_wait_parity(std::uint64_t* barrier, unsigned parity, Where where = Where::here());
inline void fence_mbarrier_init() {}

// ---- ptx_bulk_sm90.cuh
struct TensorMap;
inline void fence_proxy_async() {}
void bulk_load(void* shared, const void* global, int bytes, std::uint64_t* barrier, Where where = Where::here());
void tensor_load(void* shared, const TensorMap& map, std::uint64_t* barrier, int x, Where where = Where::here());
void tensor_load(void* shared, const TensorMap& map, std::uint64_t* barrier, int x, int y, Where where = Where::here());
void tensor_load(void* shared, const TensorMap& map, std::uint64_t* barrier, int x, int y, int z, Where where = Where::here());
void tensor_store(const TensorMap& map, const void* shared, int x, Where where = Where::here());
void tensor_store(const TensorMap& map, const void* shared, int x, int y, Where where = Where::here());
void tensor_store(const TensorMap& map, const void* shared, int x, int y, int z, Where where = Where::here());
void bulk_store(void* global, const void* shared, int bytes, Where where = Where::here());
void bulk_commit();
template <int Pending>
void bulk_wait(Where where = Where::here()) {
  simt::detail::bulk_wait(Pending, where);
}
bool elect_one(Where where = Where::here());
template <int Registers>
void setmaxnreg_inc() {
  static_assert(Registers % 8 == 0 && Registers >= 24 && Registers <= 256, "vernier::cuda::setmaxnreg_inc: 24 to 256, in steps of 8");
}
template <int Registers>
void setmaxnreg_dec() {
  static_assert(Registers % 8 == 0 && Registers >= 24 && Registers <= 256, "vernier::cuda::setmaxnreg_dec: 24 to 256, in steps of 8");
}
void griddepcontrol_wait();
inline void griddepcontrol_launch_dependents() {}

// ---- ptx_cluster_sm90.cuh
unsigned cluster_rank();
unsigned cluster_size();
void cluster_arrive(Where where = Where::here());
void cluster_wait(Where where = Where::here());
inline void cluster_sync(Where where = Where::here()) {
  cluster_arrive(where);
  cluster_wait(where);
}
ClusterAddress cluster_address(const void* shared, unsigned rank, Where where = Where::here());
void ld_cluster(std::uint32_t (&r)[1], ClusterAddress from, Where where = Where::here());
void ld_cluster(std::uint32_t (&r)[4], ClusterAddress from, Where where = Where::here());
void st_cluster(ClusterAddress to, const std::uint32_t (&r)[1], Where where = Where::here());
void st_cluster(ClusterAddress to, const std::uint32_t (&r)[4], Where where = Where::here());
void mbarrier_arrive_cluster(ClusterAddress barrier, Where where = Where::here());
void mbarrier_try_wait_parity_cluster(std::uint64_t* barrier, unsigned parity, Where where = Where::here());
void bulk_load_multicast(void* shared, const void* global, int bytes, std::uint64_t* barrier, std::uint16_t blocks,
                         Where where = Where::here());
void tensor_load_multicast(void* shared, const TensorMap& map, std::uint64_t* barrier, std::uint16_t blocks, int x, int y,
                           Where where = Where::here());
void tensor_load_multicast(void* shared, const TensorMap& map, std::uint64_t* barrier, std::uint16_t blocks, int x, int y, int z,
                           Where where = Where::here());
void bulk_copy_cluster(ClusterAddress to, const void* shared, int bytes, ClusterAddress barrier, Where where = Where::here());

}  // namespace vernier::cuda
