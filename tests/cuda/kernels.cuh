// For the files kernels_<operation>.cu: names kernels for nvcc to compile, so that check_kernels can judge what ptxas says of them.
// A kernel there is a struct over the architecture whose name begins with that of its operation; its budget is in registers.txt.
#pragma once

#include "vernier/cuda/launch.cuh"

namespace vernier::cuda {

/// Compiles K for these architectures.
template <template <Arch> class K, Arch... archs>
void use_on() {
  ((void)kernel<K<archs>>, ...);
}
/// For all of them.
template <template <Arch> class K>
void use() {
  use_on<K, Arch::sm80, Arch::sm89, Arch::sm90a>();
}

}  // namespace vernier::cuda
