// Large arrays on their way to a CUDA device, for loading.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include "vernier/cuda/memory.cuh"
#include "vernier/cuda/stream.cuh"

namespace vernier::model {

/// Copies through two pinned buffers in turn, each with a stream: while one is under way the host fills the other, or makes what comes
/// next.
class CudaStaging {
 public:
  /// chunk: bytes of each buffer.
  explicit CudaStaging(std::size_t chunk = std::size_t{16} << 20) : chunk_(chunk) {
    for (Turn& turn : turns_) turn.memory.reserve_discard(chunk);
  }

  /// Device memory that has the values after wait(); until then it may not go. `values` may. Throws Error, after waiting, where there is no
  /// memory.
  template <class T>
  cuda::DeviceBuffer<T> send(std::span<const T> values) {
    cuda::DeviceBuffer<T> buffer = allocate<T>(values.size());
    const std::span<const std::byte> bytes = std::as_bytes(values);
    auto* const to = reinterpret_cast<std::byte*>(buffer.data());
    for (std::size_t at = 0; at < bytes.size(); at += chunk_) {
      const std::span<const std::byte> part = bytes.subspan(at, std::min(chunk_, bytes.size() - at));
      Turn& turn = turns_[turn_++ % turns_.size()];
      turn.stream.synchronize();  // what was in it has arrived
      std::memcpy(turn.memory.data(), part.data(), part.size());
      cuda::upload(std::span<const std::byte>(turn.memory.data(), part.size()), to + at, turn.stream);
    }
    return buffer;
  }

  void wait() const {
    for (const Turn& turn : turns_) turn.stream.synchronize();
  }

 private:
  struct Turn {
    cuda::PinnedBuffer<std::byte> memory;
    cuda::OwnedStream stream;  // goes first, and ends its copies
  };

  template <class T>
  cuda::DeviceBuffer<T> allocate(std::size_t size) const {
    try {
      return cuda::DeviceBuffer<T>(size);
    } catch (const Error&) {
      wait();  // the caller will let go of what was sent
      throw;
    }
  }

  std::size_t chunk_, turn_ = 0;
  std::array<Turn, 2> turns_;
};

}  // namespace vernier::model
