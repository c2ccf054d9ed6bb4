#include "simt/device.hpp"

#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <new>

#include "simt/sanitizer_runtime.hpp"
#include "simt/where.hpp"

namespace simt {
namespace {

constexpr std::align_val_t alignment{256};

/// Every allocation, and how many kernels and copies are running. Threads of the host may use the device at the same time.
struct Heap {
  std::mutex mutex;
  std::map<void*, std::size_t> sizes;
  std::size_t used = 0, allocations = 0;
  int running = 0;
};

Heap& heap() {
  static Heap instance;
  return instance;
}

void forbid([[maybe_unused]] void* p, [[maybe_unused]] std::size_t bytes) {
#ifdef SIMT_ASAN
  __asan_poison_memory_region(p, bytes);
#endif
}

void permit([[maybe_unused]] void* p, [[maybe_unused]] std::size_t bytes) {
#ifdef SIMT_ASAN
  __asan_unpoison_memory_region(p, bytes);
#endif
}

}  // namespace

DeviceProperties& device_properties() {
  static DeviceProperties instance;
  return instance;
}

void* device_memory::allocate(std::size_t bytes) {
  Heap& h = heap();
  const std::scoped_lock lock(h.mutex);
  if (bytes > device_properties().memory_bytes - h.used) return nullptr;
  void* const p = ::operator new(bytes, alignment);
  std::memset(p, 0xff, bytes);
  if (h.running == 0) forbid(p, bytes);
  h.sizes.emplace(p, bytes);
  h.used += bytes;
  ++h.allocations;
  return p;
}

void device_memory::release(void* p) noexcept {
  Heap& h = heap();
  const std::scoped_lock lock(h.mutex);
  const auto found = h.sizes.find(p);
  if (found == h.sizes.end()) std::terminate();  // not device memory, or released before
  permit(p, found->second);
  h.used -= found->second;
  h.sizes.erase(found);
  ::operator delete(p, alignment);
}

std::size_t device_memory::used() {
  const std::scoped_lock lock(heap().mutex);
  return heap().used;
}

std::size_t device_memory::allocations() {
  const std::scoped_lock lock(heap().mutex);
  return heap().allocations;
}

DeviceAccess::DeviceAccess() {
  Heap& h = heap();
  const std::scoped_lock lock(h.mutex);
  if (h.running++ == 0)
    for (const auto& [p, bytes] : h.sizes) permit(p, bytes);
}

DeviceAccess::~DeviceAccess() {
  Heap& h = heap();
  const std::scoped_lock lock(h.mutex);
  if (--h.running == 0)
    for (const auto& [p, bytes] : h.sizes) forbid(p, bytes);
}

void Queue::push(Work work) { (recording_ ? *recording_ : waiting_).push_back(std::move(work)); }

void Queue::drain() {
  if (recording_) throw Fault("synchronize() on a stream that records a graph");
  const std::vector<Work> all = std::exchange(waiting_, {});
  for (const Work& work : all) work();
}

void Queue::begin_recording() {
  if (recording_) throw Fault("a graph is recorded on this stream already");
  recording_ = std::make_unique<std::vector<Work>>();
}

std::vector<Queue::Work> Queue::end_recording() {
  if (!recording_) throw Fault("no graph is recorded on this stream");
  std::vector<Work> all = std::move(*recording_);
  recording_.reset();
  return all;
}

}  // namespace simt
