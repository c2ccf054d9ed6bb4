// y = epilogue(x * W^T) on the CPU: the entry. Checks shapes, picks kernels from the routing table, splits the panels over the pool.
// The arithmetic is in cpu/micro_*.hpp, the definition of correct in gemm/reference.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "vernier/core/error.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/gemm/activations.hpp"
#include "vernier/gemm/workspace.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/policy/epilogue.hpp"
#include "vernier/router/router.hpp"

namespace vernier::cpu {

/// How to run a GEMM. The defaults decode every weight exactly and multiply in float.
struct GemmOptions {
  Multiply multiply = Multiply::f32;
  ActivationScaling activation_scaling = ActivationScaling::group;  // of Multiply::i8
  Isa isa = selected_isa();
};

namespace detail {

/// One GEMM after its checks: what each worker needs.
template <class T>
struct GemmJob {
  MatrixView<const T> x;
  PackedView w;
  TokenTiles tiles;
  const KernelSet* kernels = nullptr;
  GemmWorkspace* workspace = nullptr;
  ActivationScaling scaling = ActivationScaling::group;

  Multiply multiply() const { return kernels->config.multiply; }

  /// Bytes of an activation as the kernels read it: only the AVX-512 family multiplies bf16 as such, the others as float.
  std::size_t element_bytes() const {
    if (multiply() == Multiply::i8) return 1;
    return multiply() == Multiply::bf16 && kernels->config.isa == Isa::avx512 ? 2 : 4;
  }

  /// A single float token without padding is read where it lies.
  bool in_place() const { return std::is_same_v<T, float> && multiply() == Multiply::f32 && tiles.m == 1 && w.panel().padded_k() == w.k; }

  /// Converts tokens [begin, end) of the padded batch; those beyond m become zeros.
  void pack(int begin, int end) const {
    for (int token = begin; token < end; ++token) {
      const int tile = std::min(token / tiles.tile_m, tiles.count() - 1);
      const int width = tiles.width(tile), column = token - tiles.first(tile), k = token < tiles.m ? w.k : 0;
      const T* from = token < tiles.m ? x.row(token) : x.data;
      std::uint8_t* to = workspace->activations.data();
      const std::size_t groups = tiles.group_offset(tile) + static_cast<std::size_t>(column);
      if (element_bytes() == sizeof(float))
        pack_f32(from, k, tiles.padded_k, width, multiply() == Multiply::bf16, reinterpret_cast<float*>(to) + tiles.offset(tile) + column);
      else if (multiply() == Multiply::bf16)
        pack_bf16(from, k, tiles.padded_k, width, reinterpret_cast<bf16*>(to) + tiles.offset(tile) + 2 * column);
      else
        pack_int8(from, k, tiles.padded_k,
                  {span_quantizer(kernels->config.isa), scaling, tiles.group, width,
                   reinterpret_cast<std::int8_t*>(to) + tiles.offset(tile) + 4 * column, workspace->scales.data() + groups,
                   workspace->offsets.data() + groups});
    }
  }

  /// All tiles of one panel; `store(first token, tokens, sums)` takes each, sums being (tokens, 32).
  template <class Store>
  void panel(int index, int worker, Store&& store) const {
    const CpuPanel layout = w.panel();
    Tile tile;
    tile.codes = w.codes + static_cast<std::size_t>(index) * layout.panel_bytes();
    tile.k = layout.padded_k();
    tile.unit = kernels->unit;
    tile.scale_group = w.scale_groups > 1 ? w.scale_group : tile.k;
    if (w.scale_groups != 0) tile.scales = w.scales + static_cast<std::ptrdiff_t>(index) * w.scale_groups * CpuPanel::rows;
    if (kernels->decode != nullptr) {
      float* scratch = workspace->panels.data() + static_cast<std::ptrdiff_t>(worker) * tiles.padded_k * CpuPanel::rows;
      auto* decoded = reinterpret_cast<std::uint8_t*>(scratch);
      kernels->decode(tile.codes, tile.k, decoded);
      tile.codes = decoded;
    }
    alignas(64) float sums[max_tile_width * CpuPanel::rows];
    tile.y = sums;
    for (int i = 0; i < tiles.count(); ++i) {
      tile.x = in_place() ? static_cast<const void*>(x.data) : workspace->activations.data() + tiles.offset(i) * element_bytes();
      if (multiply() == Multiply::i8) {
        tile.x_scales = workspace->scales.data() + tiles.group_offset(i);
        tile.x_offsets = workspace->offsets.data() + tiles.group_offset(i);
      }
      tile.width = tiles.width(i);
      kernels->tile(tile.width)(tile);
      store(tiles.first(i), tiles.valid(i), sums);
    }
  }

  /// Packs the tokens, then multiplies the panels; a share is one contiguous range of either, so that it reads one stream of codes.
  template <class Store>
  void run(cpu::ThreadPool& pool, Store&& store) const {
    if (!in_place())
      pool.for_ranges(tiles.padded_m(),
                      [&](std::int64_t begin, std::int64_t end) { pack(static_cast<int>(begin), static_cast<int>(end)); });
    const std::int64_t panels = w.panel().panels(), shares = pool.size();
    pool.run([&](int share) {
      for (int p = static_cast<int>(panels * share / shares); p < static_cast<int>(panels * (share + 1) / shares); ++p)
        panel(p, share, [&](int first, int tokens, const float* sums) { store(p * CpuPanel::rows, first, tokens, sums); });
    });
  }
};

template <RuleTable Table, class T>
GemmJob<T> prepare(ThreadPool& pool, MatrixView<const T> x, const PackedView& w, GemmWorkspace& workspace, const GemmOptions& options) {
  constexpr std::string_view where = "vernier::cpu::gemm";
  const Precision p = w.format.precision;
  expect(w.codes != nullptr && w.n > 0 && w.k > 0, where, "W is empty: n = ", w.n, ", k = ", w.k);
  expect(x.cols == w.k, where, "x has ", x.cols, " columns, W has k = ", w.k);
  expect(x.rows >= 0 && (x.data != nullptr || x.rows == 0), where, "x has ", x.rows, " rows and ", x.data != nullptr ? "some" : "no",
         " data");
  expect(options.isa <= features().isa, where, "this machine has no ", name(options.isa), "; the most it runs is ", name(features().isa));
  expect(supports(options.multiply, p), where, "no ", name(options.multiply), " multiply for ", name(p),
         " weights; use Multiply::f32, which takes every format");
  const bool lacks_bf16 = options.multiply == Multiply::bf16 && options.isa == Isa::avx512 && !features().avx512_bf16;
  const Isa isa = lacks_bf16 ? Isa::avx2 : options.isa;
  const KernelSet* kernels = GemmRouter<Table>::route({isa, p, options.multiply}, x.rows);
  expect(kernels != nullptr, where, "the routing table has no rule for ", name(isa), ", ", name(p), ", ", name(options.multiply));
  const int group = options.multiply == Multiply::i8 ? activation_group(p) : activation_span;
  const TokenTiles tiles{x.rows, kernels->config.tile_m, round_up(w.k, group), group};
  workspace.reserve(tiles, pool.size(), options.multiply == Multiply::i8, kernels->decode != nullptr);
  return {x, w, tiles, kernels, &workspace, options.activation_scaling};
}

}  // namespace detail

/// y = epilogue(x * W^T). x: (m, k) float, bf16 or f16, row-major. w: W (n, k) packed. y: (m, n).
///
/// Every y(token, row) is the same to the last bit whatever else is in the batch and however many threads run: its sum depends on k and on
/// the instruction set alone. NaN and infinity in x reach y (through int8, both as NaN). Views must stay valid during the call; y must
/// not overlap x. One call at a time per pool and workspace; nothing is allocated once the workspace has seen a problem of this size.
/// Table holds the kernels to choose from; gemm<MyTable>(...) brings your own. Throws Error, before anything is written, when shapes do not
/// match or the multiply does not suit the weights.
template <RuleTable Table = DefaultGemmTable, class X, Epilogue E = Identity>
requires Activation<std::remove_const_t<X>>
void gemm(ThreadPool& pool, MatrixView<X> x, const PackedView& w, MatrixView<float> y, GemmWorkspace& workspace,
          const GemmOptions& options = {}, const E& epilogue = {}) {
  using T = std::remove_const_t<X>;
  expect(y.rows == x.rows && y.cols == w.n, "vernier::cpu::gemm", "y is ", y.rows, " x ", y.cols, ", expected m x n = ", x.rows, " x ",
         w.n);
  const detail::GemmJob<T> job = detail::prepare<Table, T>(pool, x, w, workspace, options);
  if (x.rows == 0) return;
  const auto store = [&](int col, int first, int tokens, const float* sums) {
    const int cols = std::min(CpuPanel::rows, w.n - col);
    for (int t = 0; t < tokens; ++t) {
      float* to = y.row(first + t) + col;
      for (int i = 0; i < cols; ++i) to[i] = epilogue(sums[t * CpuPanel::rows + i], first + t, col + i);
    }
  };
  job.run(pool, store);
}

}  // namespace vernier::cpu
