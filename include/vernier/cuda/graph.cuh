// A CUDA graph: launches and copies recorded once and started again with one call. A decode step is some three hundred launches of a few
// microseconds each, so that starting them one by one takes the host longer than the device needs to run them.
#pragma once

#include <utility>

#include "vernier/cuda/runtime.cuh"

namespace vernier::cuda {

/// Movable, not copyable. A recording holds the arguments of its launches by value: what they point to must be where it was whenever the
/// graph is replayed, and what changes between replays must be read from device memory.
class Graph {
 public:
  Graph() = default;

  /// Records what work() puts into the stream; nothing of it runs. Work may not allocate, free, or synchronise. Kernels should have run
  /// once before, so that recording does not load them. What work() throws comes out, and there is no recording then.
  template <class Work>
  static Graph record(Stream stream, Work&& work) {
    runtime::begin_recording(stream);
    try {
      work();
    } catch (...) {
      runtime::drop_recording(stream);
      throw;
    }
    Graph graph;
    graph.executable_ = runtime::end_recording(stream);
    return graph;
  }

  Graph(Graph&& other) noexcept : executable_(std::exchange(other.executable_, {})) {}
  Graph& operator=(Graph&& other) noexcept {
    std::swap(executable_, other.executable_);
    return *this;
  }
  /// Must not be in use on any stream.
  ~Graph() {
    if (executable_ != runtime::Executable{}) runtime::destroy(executable_);
  }

  /// Whether there is a recording.
  explicit operator bool() const { return executable_ != runtime::Executable{}; }

  /// Puts the recorded work into a stream.
  void replay(Stream stream) const { runtime::replay(executable_, stream); }

 private:
  runtime::Executable executable_{};
};

}  // namespace vernier::cuda
