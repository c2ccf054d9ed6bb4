// Tensor maps on the emulator: the description itself. On a GPU cuda/tensor_map.cuh encodes it.
#pragma once

#include "simt/isa.hpp"
#include "vernier/cuda/tensor.cuh"

namespace vernier::cuda {

struct TensorMap {
  Tensor tensor;
};
TensorMap tensor_map(const Tensor& tensor);

}  // namespace vernier::cuda
