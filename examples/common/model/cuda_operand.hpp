// What a CUDA device multiplies weights with: known to the backend, and to who counts what a forward costs.
#pragma once

#include "vernier/layout/weight_format.hpp"

namespace vernier::model {

/// The format of the activations: the weights' own for bf16, int8 where `integers` may be used and the weights have a scale per row, and f16
/// for all others.
constexpr Precision cuda_operand(const WeightFormat& weights, bool integers) {
  if (weights.precision == Precision::bf16) return Precision::bf16;
  return integers && weights.precision == Precision::i8 && weights.scaling == Scaling::row ? Precision::i8 : Precision::f16;
}

}  // namespace vernier::model
