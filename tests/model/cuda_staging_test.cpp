// Copies through staging buffers, on the emulator, where a copy runs as late as it may.
#include "common/model/cuda_staging.cuh"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "simt/device.hpp"

namespace vernier::model {
namespace {

std::vector<int> numbers(std::size_t count, int first) {
  std::vector<int> all(count);
  std::iota(all.begin(), all.end(), first);
  return all;
}

/// Nothing, less than a buffer, as much as one, a little more, and more than both.
TEST(CudaStaging, WhatIsSentArrives) {
  CudaStaging staging(64);
  const std::vector<std::size_t> sizes{0, 3, 16, 17, 100, 1, 32};
  std::vector<cuda::DeviceBuffer<int>> sent;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::vector<int> values = numbers(sizes[i], static_cast<int>(1000 * i));  // gone before the copies have run
    sent.push_back(staging.send(std::span<const int>(values)));
  }
  staging.wait();
  const cuda::OwnedStream stream;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    std::vector<int> back(sizes[i]);
    cuda::download(static_cast<const int*>(sent[i].data()), std::span(back), stream);
    stream.synchronize();
    EXPECT_EQ(back, numbers(sizes[i], static_cast<int>(1000 * i))) << sizes[i];
  }
}

/// A copy is under way when memory ends: it must have ended before its target goes, which ASan would see.
TEST(CudaStaging, WaitsBeforeItFails) {
  const simt::DeviceProperties properties = simt::device_properties();
  simt::device_properties().memory_bytes = simt::device_memory::used() + 4096;
  CudaStaging staging(64);
  {
    const std::vector<int> few = numbers(8, 1), many = numbers(4096, 1);
    const cuda::DeviceBuffer<int> sent = staging.send(std::span<const int>(few));
    EXPECT_THROW((void)staging.send(std::span<const int>(many)), Error);
  }
  staging.wait();
  simt::device_properties() = properties;
}

}  // namespace
}  // namespace vernier::model
