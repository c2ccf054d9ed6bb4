// y = epilogue(x * W^T) on a CUDA device: the entry. Checks shapes and launches; the kernel is in sm80.cuh, correct is gemm/reference.hpp.
#pragma once

#include <cstdint>

#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"
#include "vernier/cuda/launch.cuh"
#include "vernier/gemm/sm80.cuh"

namespace vernier::cuda {

/// y = epilogue(x * w^T) on the current device. x: (m, k), w: (n, k), both f16 or bf16; y: (m, n) float; all row-major in its memory, rows
/// of x and w 16-byte aligned. Views must outlive the stream's work; y must not overlap x or w. Throws Error, and launches nothing, where
/// shapes do not match or the device is not one of C.arch.
template <GemmConfig C = GemmConfig{}, class T, Epilogue E = Identity>
void gemm(MatrixView<const T> x, MatrixView<const T> w, MatrixView<float> y, Stream stream = {}, const E& epilogue = {}) {
  constexpr std::string_view where = "vernier::cuda::gemm";
  expect(x.cols == w.cols, where, "x has k = ", x.cols, " columns, w has ", w.cols);
  expect(y.rows == x.rows && y.cols == w.rows, where, "y is ", y.rows, " x ", y.cols, ", expected m x n = ", x.rows, " x ", w.rows);
  expect(x.rows >= 1 && w.rows >= 1 && x.cols >= 1, where, "m = ", x.rows, ", n = ", w.rows, ", k = ", x.cols, "; none may be 0");
  const auto aligned = [](const MatrixView<const T>& a) { return reinterpret_cast<std::uintptr_t>(a.data) % 16 == 0 && a.stride % 8 == 0; };
  expect(aligned(x) && aligned(w), where, "rows of x and w must begin at multiples of 16 bytes; their strides are ", x.stride, " and ",
         w.stride, " elements");
  using B = GemmSm80<C, T, E>;
  const Grid grid{static_cast<unsigned>(ceil_div(y.cols, C.tile_n)), static_cast<unsigned>(ceil_div(y.rows, C.tile_m))};
  launch<B>(grid, GemmArgs<T, E>{x, w, y, epilogue}, stream);
}

}  // namespace vernier::cuda
