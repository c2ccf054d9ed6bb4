// vernier::cuda::launch<B> on the emulator: the same call that starts a Block on a GPU, so that host code of an operation is tested with
// it.
#pragma once

#include <memory>

#include "simt/device.hpp"
#include "simt/isa.hpp"
#include "simt/launch.hpp"
#include "vernier/cuda/block.cuh"

namespace simt {

/// Runs a Block. Each thread has its own copy of nothing: Args is one object that all of them read, as on a GPU.
template <vernier::cuda::Block B>
Counters launch(vernier::cuda::Grid grid, const typename B::Args& args, const Options& options = {}) {
  static_assert(B::shared_bytes >= 0 && B::threads >= 1, "simt::launch: a Block has at least one thread");
  const Launch shape{.grid = dim3(grid.x, grid.y, grid.z),
                     .block = dim3(static_cast<unsigned>(B::threads)),
                     .shared_bytes = static_cast<std::size_t>(B::shared_bytes),
                     .cluster = static_cast<unsigned>(vernier::cuda::cluster_of<B>),
                     .starts_early = vernier::cuda::starts_early<B>};
  if constexpr (vernier::cuda::starts_early<B>) {
    const detail::Quiet quiet;  // TSan takes what the host writes now for later than the launch's beginning, but the arguments are copied
    const auto copy = std::make_unique<const typename B::Args>(args);
    const auto kernel = std::make_unique<const Kernel>([args_ = copy.get()](unsigned char* shared) { B::run(*args_, shared); });
    return run(shape, options, *kernel);
  }
  return run(shape, options, [&args](unsigned char* shared) { B::run(args, shared); });
}

/// How vernier::cuda::launch runs kernels on this OS thread, and what it has counted since a test last cleared it.
struct Session {
  Options options;
  Counters counters;
};
inline Session& session() {
  static thread_local Session instance;
  return instance;
}

}  // namespace simt

namespace vernier::cuda {

/// The default stream has finished when launch() returns; that of an OwnedStream runs when it is synchronised.
struct Stream {
  simt::Queue* queue = nullptr;
};

template <Block B>
void launch(Grid grid, const typename B::Args& args, Stream stream = {}) {
  const auto work = [grid, args] {
    const simt::DeviceAccess access;
    simt::session().counters += simt::launch<B>(grid, args, simt::session().options);
  };
  if (stream.queue == nullptr)
    work();
  else
    stream.queue->push(work);
}

}  // namespace vernier::cuda
