// Owners of device memory and of page-locked host memory, and copies between them. Nothing here waits for a copy: that is
// OwnedStream::synchronize (stream.cuh).
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "vernier/core/error.hpp"
#include "vernier/cuda/runtime.cuh"

namespace vernier::cuda {

namespace detail {

struct DeviceHeap {
  static constexpr std::string_view name = "vernier::cuda::DeviceBuffer";
  static void* allocate(std::size_t bytes) {
    void* const p = runtime::allocate(bytes);
    if (p == nullptr) {
      const MemoryInfo memory = runtime::memory_info();
      fail(name, "cannot allocate ", bytes, " bytes on the device; ", memory.free_bytes, " of its ", memory.total_bytes, " bytes are free");
    }
    return p;
  }
  static void release(void* p) noexcept { runtime::release(p); }
};

struct PinnedHeap {
  static constexpr std::string_view name = "vernier::cuda::PinnedBuffer";
  static void* allocate(std::size_t bytes) {
    void* const p = runtime::allocate_pinned(bytes);
    if (p == nullptr) fail(name, "cannot lock ", bytes, " bytes of host memory in place");
    return p;
  }
  static void release(void* p) noexcept { runtime::release_pinned(p); }
};

}  // namespace detail

/// Owns `size` elements of T, 256-byte aligned. Contents start undefined; on the emulator they are NaN in every format. Allocating and
/// freeing wait for the device: not in a step. Movable, not copyable.
template <class T, class Heap>
requires std::is_trivially_copyable_v<T>
class BasicBuffer {
 public:
  BasicBuffer() = default;
  /// Throws Error, with the bytes that were asked for and those that are free, when the memory cannot be had.
  explicit BasicBuffer(std::size_t size) : data_(size == 0 ? nullptr : static_cast<T*>(Heap::allocate(size * sizeof(T)))), size_(size) {}
  BasicBuffer(BasicBuffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  BasicBuffer& operator=(BasicBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~BasicBuffer() {
    if (data_ != nullptr) Heap::release(data_);
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t size_bytes() const { return size_ * sizeof(T); }

  /// At least `size` elements, contents undefined. Never shrinks, so that a warm caller allocates nothing. True if the memory moved. The
  /// old memory must not be in use on any stream.
  bool reserve_discard(std::size_t size) {
    if (size <= size_) return false;
    *this = BasicBuffer();  // first, so that both need not fit
    *this = BasicBuffer(size);
    return true;
  }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Device memory: its elements are not for the host to touch.
template <class T>
using DeviceBuffer = BasicBuffer<T, detail::DeviceHeap>;

/// Host memory that copies run to and from while the host goes on.
template <class T>
using PinnedBuffer = BasicBuffer<T, detail::PinnedHeap>;

/// Copies from host to device. Both must stay as they are until the stream has passed the copy; from pinned memory the host does not wait.
template <class T>
void upload(std::span<const T> from, T* to, Stream stream) {
  if (!from.empty()) runtime::copy(to, from.data(), from.size_bytes(), stream);
}

/// Copies from device to host: `to` has the values once the stream has been synchronised.
template <class T>
void download(const T* from, std::span<T> to, Stream stream) {
  if (!to.empty()) runtime::copy(to.data(), from, to.size_bytes(), stream);
}

}  // namespace vernier::cuda
