// vernier::cuda::runtime on the emulated device: what runtime_device.cuh is on a GPU. Copies of a stream run as late as they may, like its
// kernels; those of the default stream at once.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "simt/device.hpp"
#include "simt/launch_block.hpp"
#include "simt/where.hpp"
#include "vernier/core/error.hpp"
#include "vernier/cuda/runtime_types.hpp"

namespace vernier::cuda::runtime {

inline int device_count() noexcept { return simt::device_properties().count; }
inline std::string_view why_no_device() noexcept { return "no CUDA-capable device is detected"; }

inline DeviceInfo device_info(int index) {
  const simt::DeviceProperties& p = simt::device_properties();
  expect(index >= 0 && index < p.count, "vernier::cuda::device_info", "invalid device ordinal");
  return {index, "SIMT emulator", p.capability, p.processors, p.memory_bytes};
}

inline int current_device_index() { return 0; }
inline void use_device(int index) { (void)device_info(index); }

inline MemoryInfo memory_info() {
  const std::size_t total = simt::device_properties().memory_bytes;
  return {total - simt::device_memory::used(), total};
}

inline void* allocate(std::size_t bytes) { return simt::device_memory::allocate(bytes); }
inline void release(void* p) noexcept { simt::device_memory::release(p); }

/// On its own, so that ASan sees an overrun; NaN in every format.
inline void* allocate_pinned(std::size_t bytes) {
  void* const p = ::operator new (bytes, std::align_val_t{64}, std::nothrow);
  if (p != nullptr) std::memset(p, 0xff, bytes);
  return p;
}
inline void release_pinned(void* p) noexcept { ::operator delete (p, std::align_val_t{64}); }

namespace detail {
template <class Work>
void enqueue(Stream stream, const Work& work) {
  if (stream.queue == nullptr)
    work();
  else
    stream.queue->push(work);
}
}  // namespace detail

inline void copy(void* to, const void* from, std::size_t bytes, Stream stream) {
  detail::enqueue(stream, [=] {
    const simt::DeviceAccess access;
    std::memcpy(to, from, bytes);
  });
}

inline void fill(void* to, unsigned char byte, std::size_t bytes, Stream stream) {
  detail::enqueue(stream, [=] {
    const simt::DeviceAccess access;
    std::memset(to, byte, bytes);
  });
}

inline Stream create_stream() { return {new simt::Queue}; }

inline void destroy_stream(Stream stream) noexcept {
  try {
    stream.queue->drain();
  } catch (const simt::Fault&) {  // nobody asked for the result
  }
  delete stream.queue;
}

inline void synchronize(Stream stream) {
  if (stream.queue != nullptr) stream.queue->drain();
}

using Executable = std::vector<simt::Queue::Work>*;

inline void begin_recording(Stream stream) {
  if (stream.queue == nullptr) throw simt::Fault("the default stream cannot be recorded");
  stream.queue->begin_recording();
}
inline Executable end_recording(Stream stream) { return new std::vector<simt::Queue::Work>(stream.queue->end_recording()); }
inline void drop_recording(Stream stream) noexcept { stream.queue->drop_recording(); }

inline void replay(Executable executable, Stream stream) {
  for (const simt::Queue::Work& work : *executable) detail::enqueue(stream, work);
}
inline void destroy(Executable executable) noexcept { delete executable; }

}  // namespace vernier::cuda::runtime
