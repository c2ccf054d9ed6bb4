// What a CUDA kernel of this library is: a Block. The one __global__ function is in launch_device.cuh; here is what it and the emulator
// ask.
#pragma once

#include <concepts>

#include "vernier/core/macros.hpp"
#include "vernier/policy/arch.hpp"

namespace vernier::cuda {

/// What one thread block does. `run(args, shared)` is called by `threads` threads with `shared_bytes` bytes of shared memory, 1024-byte
/// aligned and not initialised. Args is passed by value. A block runs on devices of `arch` alone; the same code for several architectures
/// is a template over it.
template <class B>
concept Block = requires(const typename B::Args& args, unsigned char* shared) {
  { B::arch } -> std::convertible_to<Arch>;
  { B::threads } -> std::convertible_to<int>;
  { B::shared_bytes } -> std::convertible_to<int>;
  B::run(args, shared);
};

/// How many blocks a multiprocessor should hold at least: B::least_blocks where there is one. It bounds the registers of a thread; without
/// it the compiler aims at more blocks than there is shared memory for, and may spill a register to get there.
template <class B>
inline constexpr int least_blocks_of = 0;
template <class B>
requires requires { B::least_blocks; }
inline constexpr int least_blocks_of<B> = B::least_blocks;

/// How many blocks, neighbours in x, form a cluster (ptx_cluster_sm90.cuh): a Block's member `cluster`, 1 if it has none. At most 8; the
/// grid is a multiple in x. sm_90.
template <class B>
inline constexpr int cluster_of = 1;
template <class B>
requires requires { B::cluster; }
inline constexpr int cluster_of<B> = B::cluster;

/// Whether the Block may begin while the launch ahead of it on its stream still runs: its member `starts_early`. Such a Block calls
/// griddepcontrol_wait() before it touches what that launch writes, or writes what it reads. sm_90.
template <class B>
inline constexpr bool starts_early = false;
template <class B>
requires requires { B::starts_early; }
inline constexpr bool starts_early<B> = B::starts_early;

/// How many blocks are launched, in each direction.
struct Grid {
  unsigned x = 1, y = 1, z = 1;
};

/// Whether kernels of `arch` are for devices of this compute capability, times ten: sm80 for 8.0 to 8.8, sm89 for 8.9, sm90a for 9.0. From
/// 10.0 on devices have the instructions of sm89 and not those of sm90a: kernels of sm89 are compiled for them, and were never run there.
VERNIER_HD constexpr bool serves(Arch arch, int capability) {
  switch (arch) {
    case Arch::sm80: return capability >= 80 && capability < 89;
    case Arch::sm89: return capability == 89 || capability >= 100;
    case Arch::sm90a: return capability == 90;
    default: return false;
  }
}

}  // namespace vernier::cuda
