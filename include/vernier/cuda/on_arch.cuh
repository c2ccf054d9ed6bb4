// One body for several architectures: for kernels whose instructions all of them have.
#pragma once

#include "vernier/core/error.hpp"
#include "vernier/cuda/launch.cuh"

namespace vernier::cuda {

/// Body is a Block but for its architecture. It is instantiated once, whatever number of these there is.
template <Arch A, class Body>
struct OnArch : Body {
  static constexpr Arch arch = A;
};

/// launch() of Body on a device of `arch`. Throws Error where that is no CUDA architecture.
template <class Body>
void launch_on(Arch arch, Grid grid, const typename Body::Args& args, Stream stream) {
  switch (arch) {
    case Arch::sm80: return launch<OnArch<Arch::sm80, Body>>(grid, args, stream);
    case Arch::sm89: return launch<OnArch<Arch::sm89, Body>>(grid, args, stream);
    case Arch::sm90a: return launch<OnArch<Arch::sm90a, Body>>(grid, args, stream);
    default: fail("vernier::cuda::launch_on", name(arch), " is no CUDA architecture, expected sm80, sm89 or sm90a");
  }
}

}  // namespace vernier::cuda
