// Blocks of a cluster that reach into each other's shared memory. For the emulator's own sources.
#pragma once

#include "simt/scheduler.hpp"
#include "vernier/cuda/cluster_address.cuh"

namespace simt::detail {

/// Block `rank` of the running thread's cluster. Faults if it does not exist, may not have begun, or has ended.
Block& block_of_cluster(unsigned rank, const char* instruction, Where where);

/// What an address means.
struct Remote {
  Block* block = nullptr;
  std::byte* at = nullptr;
};
Remote remote(vernier::cuda::ClusterAddress address, std::size_t bytes, std::size_t alignment, const char* instruction, Where where);

}  // namespace simt::detail
