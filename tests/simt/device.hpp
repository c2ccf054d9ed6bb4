// The emulated device as host code meets it: memory of its own, and streams. No kernel runs here; see launch_block.hpp.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace simt {

/// What the emulated device is said to be. A test may change it before it allocates.
struct DeviceProperties {
  int count = 1;  // of such devices; 0: there is none
  int capability = 80;
  int processors = 4;
  std::size_t memory_bytes = std::size_t{1} << 32;
};
DeviceProperties& device_properties();

/// Device memory is host memory of exactly the size that was asked for, so that ASan sees an overrun, and under ASan the host may not touch
/// it: only kernels and copies may. It starts as NaN in every format.
namespace device_memory {

/// 256-byte aligned, or null where DeviceProperties::memory_bytes do not allow it.
void* allocate(std::size_t bytes);
void release(void* p) noexcept;
std::size_t used();
std::size_t allocations();  // that were ever made

}  // namespace device_memory

/// While one lives, this thread may touch device memory: a kernel or a copy is running. May be nested.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

/// Work in the order in which it was put in. It runs as late as a GPU might run it, when somebody waits for it.
class Queue {
 public:
  using Work = std::function<void()>;

  /// Keeps `work`, or adds it to the recording that is under way.
  void push(Work work);
  /// Runs everything. After a fault the rest is forgotten.
  void drain();

  void begin_recording();
  std::vector<Work> end_recording();
  void drop_recording() noexcept { recording_.reset(); }

 private:
  std::vector<Work> waiting_;
  std::unique_ptr<std::vector<Work>> recording_;
};

}  // namespace simt
