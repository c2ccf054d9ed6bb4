// Activations on a CUDA device whose format is known when the program runs: what the product behind them multiplies.
#pragma once

#include "vernier/core/matrix_view.hpp"
#include "vernier/ops/quantized_rows.hpp"
#include "vernier/types/precision.hpp"

namespace vernier::model {

/// (rows, cols) in memory that holds float at least; 16-byte aligned rows. scales: (rows), where they are i8.
struct CudaRows {
  void* data = nullptr;
  int rows = 0, cols = 0;
  float* scales = nullptr;

  template <class T>
  MatrixView<T> as() const {
    return {static_cast<T*>(data), rows, cols};
  }
  QuantizedRows<i8> quantized() const { return {as<i8>(), scales}; }
};

}  // namespace vernier::model
