// Host code that starts one kernel of a GEMM of packed weights: checks shapes, and decides how many blocks share a tile. The entry that
// chooses the kernel is packed_gemm.cuh.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"
#include "vernier/cuda/launch.cuh"
#include "vernier/gemm/mma_gemm.cuh"

namespace vernier::cuda {

/// Memory of the device with which blocks share a tile along k, so that a narrow matrix keeps all multiprocessors busy. Does not own. One
/// launch at a time may use it. Without it (the default) a tile is one block's; results are the same to the bit.
struct GemmWorkspace {
  float* partials = nullptr;
  std::size_t num_partials = 0;  // 2^20 are enough for 8 tokens of any layer of a Llama-3.1-8B
  int* counters = nullptr;       // 0 before the first use; launches leave them so
  std::size_t num_counters = 0;
  int blocks = 0;  // as many as a launch should have, if it can: about twice the multiprocessors
};

/// What a launch is given beside its operands.
struct GemmOptions {
  Arch arch = Arch::sm80;  // of the current device
  GemmWorkspace workspace{};
  Stream stream{};
};

/// Activations in the operand's format: (m, k) row-major, rows 16-byte aligned; 8-bit ones with a scale per token.
template <class X>
struct Activations {
  MatrixView<const X> codes;
  const float* scales = nullptr;  // (m); null for 16-bit formats
};

namespace detail {

/// The split of a launch, and into how many blocks a tile is split.
template <MmaConfig C>
SplitMemory split_of(const GemmWorkspace& workspace, int segments, int tiles, int& splits) {
  const auto partials = static_cast<std::size_t>(tiles) * static_cast<std::size_t>(segments) * (C.owned() * C.threads());
  const bool fits = partials <= workspace.num_partials && static_cast<std::size_t>(tiles) <= workspace.num_counters;
  const int wanted = fits ? std::max(1, workspace.blocks / tiles) : 1;
  const int per_block = std::min(segments, round_up(ceil_div(segments, wanted), C.warps_k));
  splits = ceil_div(segments, per_block);
  return {workspace.partials, workspace.counters, per_block};
}

template <MmaConfig C, class E, class X, class Y>
void expect_packed_gemm(const Activations<X>& x, const WeightView& w, MatrixView<Y> y) {
  constexpr std::string_view where = "vernier::cuda::gemm";
  static_assert(std::is_same_v<X, TypeOf<C.operand>>, "vernier::cuda::gemm: the activations are not in the operand's format");
  const MatrixView<const X> codes = x.codes;
  const int n = GatedEpilogue<E> ? w.n / 2 : w.n;
  expect(w.format.precision == C.weight, where, "weights in ", name(w.format.precision), " for a kernel of ", name(C.weight));
  expect(codes.cols == w.k, where, "x has ", codes.cols, " columns, W has k = ", w.k);
  expect(w.gated == GatedEpilogue<E>, where, w.gated ? "gated weights need" : "weights that are not gated cannot have",
         " an epilogue of two sums, such as SwiGlu");
  expect(y.rows == codes.rows && y.cols == n, where, "y is ", y.rows, " x ", y.cols, ", expected m x n = ", codes.rows, " x ", n);
  expect(codes.rows >= 1 && w.n >= 1 && w.k >= 1 && w.codes != nullptr, where, "m = ", codes.rows, ", n = ", w.n, ", k = ", w.k,
         "; none may be 0");
  const auto row_bytes = static_cast<std::size_t>(codes.stride) * sizeof(X);
  expect(reinterpret_cast<std::uintptr_t>(codes.data) % 16 == 0 && row_bytes % 16 == 0, where,
         "rows of x must begin at multiples of 16 bytes; they are ", row_bytes, " bytes apart");
  expect(static_cast<std::size_t>(codes.cols) * sizeof(X) % 16 == 0, where, "k = ", codes.cols, ", expected a multiple of ", 16 / sizeof(X),
         " columns, 16 bytes");
  expect(bits(C.operand) != 8 || x.scales != nullptr, where, "activations in ", name(C.operand), " need a scale per token");
  expect((w.scale_group != 0) == C.scaled(), where, to_string(w.format), " for a kernel with part = ", C.part);
  expect(!C.scaled() || (C.part == 32 ? w.scale_group == 32 : w.scale_group % C.part == 0), where, "a stored scale group of ",
         w.scale_group, " columns for a kernel with part = ", C.part);
}

}  // namespace detail

/// y = epilogue(x * w^T) with the kernel of C, on the current device. See gemm() in packed_gemm.cuh.
template <MmaConfig C, class X, class Y, class E = Identity>
void gemm_with(const Activations<X>& x, const WeightView& w, MatrixView<Y> y, const GemmOptions& options = {}, const E& epilogue = {}) {
  detail::expect_packed_gemm<C, E>(x, w, y);
  const int tiles_m = ceil_div(x.codes.rows, C.tile_m()), tiles_n = ceil_div(w.n, C.tile_n());
  int splits = 1;
  const SplitMemory split = detail::split_of<C>(options.workspace, ceil_div(w.k, segment_columns), tiles_m * tiles_n, splits);
  const Grid grid{static_cast<unsigned>(tiles_m), static_cast<unsigned>(tiles_n), static_cast<unsigned>(splits)};
  launch<MmaGemm<C, Y, E>>(grid, PackedGemmArgs<X, Y, E>{x.codes, x.scales, w, y, split, epilogue}, options.stream);
}

}  // namespace vernier::cuda
