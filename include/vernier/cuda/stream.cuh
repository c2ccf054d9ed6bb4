// A stream of one's own: what is put into it runs in order, beside the host and other streams.
#pragma once

#include <utility>

#include "vernier/cuda/runtime.cuh"

namespace vernier::cuda {

/// Movable, not copyable. On the emulator its work runs as late as it may, at synchronize(), so that a result which is read too early is
/// not there yet.
class OwnedStream {
 public:
  /// On the current device.
  OwnedStream() : stream_(runtime::create_stream()), owned_(true) {}
  OwnedStream(OwnedStream&& other) noexcept : stream_(std::exchange(other.stream_, {})), owned_(std::exchange(other.owned_, false)) {}
  OwnedStream& operator=(OwnedStream&& other) noexcept {
    std::swap(stream_, other.stream_);
    std::swap(owned_, other.owned_);
    return *this;
  }
  /// Work that is left still runs.
  ~OwnedStream() {
    if (owned_) runtime::destroy_stream(stream_);
  }

  operator Stream() const { return stream_; }  // NOLINT(google-explicit-constructor): it is one, wherever one is asked for

  /// Waits for everything that was put in. Throws Error for what went wrong on the device.
  void synchronize() const { runtime::synchronize(stream_); }

 private:
  Stream stream_{};
  bool owned_ = false;
};

}  // namespace vernier::cuda
