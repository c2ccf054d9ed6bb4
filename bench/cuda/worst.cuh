// The worst of what a check on the device has found.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "vernier/cuda/memory.cuh"
#include "vernier/cuda/stream.cuh"

namespace vernier::bench {

/// The largest of these distances, in bounds; 1e30 where one is larger, infinite or NaN. Waits for the stream.
inline double worst_of(const cuda::DeviceBuffer<float>& excess, const cuda::OwnedStream& stream) {
  std::vector<float> host(excess.size());
  cuda::download(excess.data(), std::span<float>(host), stream);
  stream.synchronize();
  double worst = 0;
  for (const float value : host) worst = std::max(worst, value <= 1e30f ? static_cast<double>(value) : 1e30);  // a NaN is neither
  return worst;
}

}  // namespace vernier::bench
