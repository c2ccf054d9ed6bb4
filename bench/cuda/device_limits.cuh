// Measures what a CUDA device can do at most, now: in about a tenth of a second, so that it can be done beside each measurement.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "cuda/device_limits.hpp"
#include "cuda/limit_kernels.cuh"
#include "vernier/cuda/memory.cuh"
#include "vernier/cuda/stream.cuh"

namespace vernier::bench {

/// Holds the memory that it reads. Of the current device, which is of architecture A.
template <Arch A>
class DeviceProbe {
 public:
  /// bytes: several times the L2 cache, where memory is to be measured.
  DeviceProbe(int processors, std::size_t bytes) : processors_(processors), memory_(bytes / 4), sink_(1) {
    fill_codes(A, memory_.data(), memory_.size_bytes(), Precision::i8, 1, stream_);
    stream_.synchronize();
  }

  std::size_t bytes() const { return memory_.size_bytes(); }

  /// Bytes per second when the first `bytes` of the memory are read over and over, about `total` altogether: the best of `repeats`.
  double read(std::size_t bytes, std::size_t total, int repeats = 5) {
    const int passes = static_cast<int>(std::max<std::size_t>(1, total / bytes));
    const cuda::Grid grid{static_cast<unsigned>(8 * processors_)};
    const ReadMemoryArgs args{memory_.data(), bytes / 16, passes, reinterpret_cast<std::uint32_t*>(sink_.data())};
    const double seconds = best(repeats, [&] { cuda::launch_on<ReadMemory>(A, grid, args, stream_); });
    return static_cast<double>(bytes) * passes / seconds;
  }

  /// Operations per second of mma.sync, and of the tensor cores by whatever reaches most of them.
  template <class T>
  double mma_peak(int rounds = 8192) {
    if constexpr (std::is_same_v<T, e4m3> && A == Arch::sm80)
      return 0;
    else
      return peak<MmaPeak<A, T>>(rounds, 4);
  }
  template <class T>
  double tensor_peak(int rounds = 2048) {
    if constexpr (A == Arch::sm90a)
      return peak<WgmmaPeak<A, T>>(rounds, 1);
    else
      return mma_peak<T>();
  }

  DeviceLimits measure() {
    return {.read = read(bytes(), 8 * bytes()),
            .f16 = tensor_peak<f16>(),
            .bf16 = tensor_peak<bf16>(),
            .int8 = tensor_peak<i8>(),
            .fp8 = tensor_peak<e4m3>()};
  }

 private:
  /// Seconds of what `work` puts into the stream: the best, after one run that does not count.
  template <class Work>
  double best(int repeats, Work&& work) {
    using Clock = std::chrono::steady_clock;
    double seconds = 1e9;
    for (int repeat = 0; repeat <= repeats; ++repeat) {
      stream_.synchronize();
      const auto start = Clock::now();
      work();
      stream_.synchronize();
      if (repeat != 0) seconds = std::min(seconds, std::chrono::duration<double>(Clock::now() - start).count());
    }
    return seconds;
  }

  template <class Block>
  double peak(int rounds, int blocks_each) {
    const int blocks = blocks_each * processors_;
    const double seconds = best(3, [&] { cuda::launch<Block>({static_cast<unsigned>(blocks)}, {rounds, sink_.data()}, stream_); });
    return Block::operations * rounds * blocks / seconds;
  }

  int processors_;
  cuda::OwnedStream stream_;
  cuda::DeviceBuffer<std::uint32_t> memory_;
  cuda::DeviceBuffer<float> sink_;
};

}  // namespace vernier::bench
