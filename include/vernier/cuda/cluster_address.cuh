// Addresses in the shared memory of another block of the cluster.
#pragma once

#include <cstdint>

#include "vernier/core/macros.hpp"

namespace vernier::cuda {

/// A place in the shared memory of one block of the cluster, as cluster_address() makes it. Adding moves it within that block.
struct ClusterAddress {
  std::uint32_t bits = 0;
  VERNIER_HD friend constexpr ClusterAddress operator+(ClusterAddress a, int bytes) { return {a.bits + static_cast<std::uint32_t>(bytes)}; }
};

}  // namespace vernier::cuda
