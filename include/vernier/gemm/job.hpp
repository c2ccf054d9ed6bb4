// A GEMM after its checks: how the work of a call is divided. Used by gemm.hpp alone.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "vernier/cpu/parallel.hpp"
#include "vernier/gemm/activations.hpp"
#include "vernier/gemm/workspace.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/policy/epilogue.hpp"
#include "vernier/router/router.hpp"

namespace vernier::cpu {

/// One of the products of a call: y = epilogue(x * W^T). w: W (n, k) packed. y: (m, n).
template <Epilogue E = Identity>
struct Product {
  PackedView w;
  MatrixView<float> y;
  E epilogue{};
};

namespace detail {

/// What each share of the work needs. All products share the activations and the kernels.
template <class T>
struct GemmJob {
  MatrixView<const T> x;
  TokenTiles tiles;
  bool padded = false;  // whether kernels read more columns than x has
  const KernelSet* kernels = nullptr;
  GemmWorkspace* workspace = nullptr;
  ActivationScaling scaling = ActivationScaling::group;
  int distance = 0;  // see Tile
  // Of a panel, the same for all products; divided out once.
  int panel_k = 0;              // columns, padded
  std::size_t panel_bytes = 0;  // of codes

  Multiply multiply() const { return kernels->config.multiply; }

  /// Bytes of an activation as the kernels read it: only the AVX-512 family multiplies bf16 as such, the others as float.
  std::size_t element_bytes() const {
    if (multiply() == Multiply::i8) return 1;
    const bool pairs = multiply() == Multiply::i16 || (multiply() == Multiply::bf16 && kernels->config.isa == Isa::avx512);
    return pairs ? 2 : 4;
  }

  /// A single float token without padding is read where it lies.
  bool in_place() const { return std::is_same_v<T, float> && multiply() == Multiply::f32 && tiles.m == 1 && !padded; }

  /// Where a share finds a tile of activations. A single token is converted by every share for itself, which is cheaper than waiting.
  std::size_t place(int share, int tile) const {
    return tiles.m == 1 ? static_cast<std::size_t>(share) : static_cast<std::size_t>(tiles.first(tile));
  }

  /// Converts tokens [begin, end) of the padded batch for `share`; those beyond m become zeros.
  void pack(int share, int begin, int end) const {
    for (int token = begin; token < end; ++token) {
      const int tile = std::min(token / tiles.tile_m, tiles.count() - 1);
      const int width = tiles.width(tile), column = token - tiles.first(tile), k = token < tiles.m ? x.cols : 0;
      const T* from = token < tiles.m ? x.row(token) : x.data;
      const std::size_t at = place(share, tile) * static_cast<std::size_t>(tiles.padded_k);
      const std::size_t groups = place(share, tile) * static_cast<std::size_t>(tiles.groups()) + static_cast<std::size_t>(column);
      std::uint8_t* to = workspace->activations.data() + at * element_bytes();
      if (element_bytes() == sizeof(float))
        pack_f32(from, k, tiles.padded_k, width, multiply() == Multiply::bf16, reinterpret_cast<float*>(to) + column);
      else if (multiply() == Multiply::bf16)
        pack_bf16(from, k, tiles.padded_k, width, reinterpret_cast<bf16*>(to) + 2 * column);
      else if (multiply() == Multiply::i16)
        pack_int16(from, k, tiles.padded_k,
                   {span_quantizer(kernels->config.isa), width, reinterpret_cast<std::int16_t*>(to) + 2 * column,
                    workspace->scales.data() + groups});
      else
        pack_int8(from, k, tiles.padded_k,
                  {span_quantizer(kernels->config.isa), scaling, tiles.group, width, reinterpret_cast<std::int8_t*>(to) + 4 * column,
                   workspace->scales.data() + groups, workspace->offsets.data() + groups});
    }
  }

  /// What a tile of panel `index` of w reads, but for its activations.
  Tile panel_tile(const PackedView& matrix, int index, int share) const {
    const bool made = matrix.source != nullptr;
    const PackedView& w = made ? workspace->make(matrix, index, share) : matrix;
    const std::ptrdiff_t at = made ? 0 : index;
    Tile tile;
    tile.codes = w.codes + static_cast<std::size_t>(at) * panel_bytes;
    tile.k = panel_k;
    tile.unit = kernels->unit;
    tile.distance = distance;
    tile.scale_group = w.scale_groups > 1 ? w.scale_group : tile.k;
    if (w.scale_groups != 0) tile.scales = w.scales + at * w.scale_groups * CpuPanel::rows;
    if (w.exponents != nullptr) tile.exponents = w.exponents + at * w.exponent_groups() * CpuPanel::rows;
    if (kernels->decode != nullptr) {
      float* scratch = workspace->panels.data() + static_cast<std::ptrdiff_t>(share) * tiles.padded_k * CpuPanel::rows;
      auto* decoded = reinterpret_cast<std::uint8_t*>(scratch);
      kernels->decode(tile, decoded);
      tile.codes = decoded;
    }
    return tile;
  }

  struct Range {
    std::int64_t begin, end;
  };

  /// The codes of the panel behind panel `index`, and how many cache lines of them each tile of `block` fetches for each of its groups, so
  /// that memory works while the tiles compute, and not only while the first of them meets the panel. None behind the last panel, and none
  /// where kernels do not fetch.
  struct Ahead {
    const std::uint8_t* codes = nullptr;
    int lines = 0;
  };
  Ahead fetch_ahead(const PackedView& w, int index, Range block) const {
    if (tiles.m == 1 || multiply() != Multiply::i8 || w.source != nullptr || index + 1 >= w.panel().panels()) return {};
    const std::int64_t shares = (block.end - block.begin) * tiles.groups();
    return {w.codes + static_cast<std::size_t>(index + 1) * panel_bytes,
            static_cast<int>(ceil_div(static_cast<std::int64_t>(panel_bytes) / cache_line, shares))};
  }

  /// Tiles `block` of one panel of a product.
  template <class E>
  void panel(const Product<E>& product, std::int64_t index, int share, Range block) const {
    alignas(64) float sums[max_tile_width * CpuPanel::rows];
    Tile tile = panel_tile(product.w, static_cast<int>(index), share);
    tile.y = sums;
    const Ahead ahead = fetch_ahead(product.w, static_cast<int>(index), block);
    tile.ahead_lines = ahead.lines;
    for (int i = static_cast<int>(block.begin); i < block.end; ++i) {
      const std::size_t at = place(share, i);
      tile.x = in_place() ? static_cast<const void*>(x.data)
                          : workspace->activations.data() + at * static_cast<std::size_t>(tiles.padded_k) * element_bytes();
      tile.x_scales = workspace->scales.data() + at * static_cast<std::size_t>(tiles.groups());
      tile.x_offsets = workspace->offsets.data() + at * static_cast<std::size_t>(tiles.groups());
      tile.width = tiles.width(i);
      if (ahead.lines != 0) tile.ahead = ahead.codes + (i - block.begin) * ahead.lines * tiles.groups() * cache_line;
      kernels->tile(tile.width)(tile);
      store(product, static_cast<int>(index) * CpuPanel::rows, i, sums);
    }
  }

  template <class E>
  void store(const Product<E>& product, int col, int tile, const float* sums) const {
    const int cols = std::min(CpuPanel::rows, product.w.n - col), first = tiles.first(tile);
    for (int t = 0; t < tiles.valid(tile); ++t) {
      // Through a block of its own: where an epilogue reads y itself, a compiler that sees the overlap gives up its vectors.
      float values[CpuPanel::rows];
      if constexpr (RowEpilogue<E>)
        product.epilogue(sums + t * CpuPanel::rows, first + t, col, cols, values);
      else
        for (int i = 0; i < cols; ++i) values[i] = product.epilogue(sums[t * CpuPanel::rows + i], first + t, col + i);
      std::memcpy(product.y.row(first + t) + col, values, static_cast<std::size_t>(cols) * sizeof(float));
    }
  }

  /// Converts the activations, then multiplies the panels of all products in one step of the pool. Tiles go in blocks, but not where a
  /// panel is decoded or made first, which is to be done once. Panels that are made take so long that whoever is free takes the next;
  /// others are divided beforehand, into streams.
  template <class First, class... Others>
  void run(ThreadPool& pool, const Product<First>& first, const Product<Others>&... others) const {
    const bool alone = tiles.m == 1 && !in_place();
    if (tiles.m > 1) pack_all(pool);
    const bool made = first.w.source != nullptr || (... || (others.w.source != nullptr));
    const int block = made || kernels->decode != nullptr ? tiles.count() : block_tiles();
    const std::int64_t count = panels_of(first, others...);
    std::atomic<std::int64_t> next{0};
    pool.run([&](int share) {
      if (alone) pack(share, 0, 1);
      if (made) {
        for (std::int64_t p; (p = next.fetch_add(1, std::memory_order_relaxed)) < count;)
          run_panels({p, p + 1}, share, {0, tiles.count()}, first, others...);
      } else {
        for (int tile = 0; tile < tiles.count(); tile += block)
          run_panels(part_of(count, pool.size(), share), share, {tile, std::min(tile + block, tiles.count())}, first, others...);
      }
    });
  }

 private:
  static constexpr int cache_line = 64;  // bytes

  /// Values below which waking the shares costs more than it saves.
  static constexpr std::int64_t values_per_wake = 8192;

  void pack_all(ThreadPool& pool) const {
    const std::int64_t tokens = tiles.padded_m();
    if (tokens * x.cols < values_per_wake)
      pack(0, 0, static_cast<int>(tokens));
    else
      pool.for_ranges(tokens, [&](std::int64_t begin, std::int64_t end) { pack(0, static_cast<int>(begin), static_cast<int>(end)); });
  }

  /// Tiles whose activations stay in the second-level cache while the panels pass by; at least a few, for each block reads all weights.
  int block_tiles() const {
    constexpr std::size_t cache = std::size_t{1} << 20;
    const std::size_t tile_bytes = static_cast<std::size_t>(tiles.tile_m) * static_cast<std::size_t>(tiles.padded_k) * element_bytes();
    return static_cast<int>(std::max<std::size_t>(4, cache / tile_bytes));
  }

  /// Panels of one product before those of the next, where epilogues may read earlier products: one stream of codes as long as what they
  /// read still is in the second-level cache.
  std::int64_t panels_in_a_row() const {
    constexpr int cache = 1 << 18;  // bytes
    return std::max(1, cache / (tiles.m * CpuPanel::rows * static_cast<int>(sizeof(float))));
  }

  /// Whether a share takes the same panels of all products, so that epilogues may read earlier ones.
  template <class First, class... Others>
  static bool in_step(const Product<First>& first, const Product<Others>&... others) {
    return ((others.w.n == first.w.n) && ...);
  }

  /// What there is to divide: panels of one product where they go in step, else of all.
  template <class First, class... Others>
  static std::int64_t panels_of(const Product<First>& first, const Product<Others>&... others) {
    const std::int64_t one = first.w.panel().panels();
    return in_step(first, others...) ? one : (one + ... + others.w.panel().panels());
  }

  /// Some of these panels, for one block of tiles: one contiguous range of each matrix, so that it is one stream of codes.
  template <class First, class... Others>
  void run_panels(Range panels, int share, Range block, const Product<First>& first, const Product<Others>&... others) const {
    if (in_step(first, others...)) {
      for (std::int64_t begin = panels.begin; begin < panels.end; begin += panels_in_a_row()) {
        const std::int64_t end = std::min(panels.end, begin + panels_in_a_row());
        const auto row = [&](const auto& product) {
          for (std::int64_t p = begin; p < end; ++p) panel(product, p, share, block);
        };
        row(first);
        (row(others), ...);
      }
      return;
    }
    std::int64_t before = 0;
    const auto part = [&](const auto& product) {
      const std::int64_t count = product.w.panel().panels();
      for (std::int64_t p = std::max(panels.begin, before); p < std::min(panels.end, before + count); ++p)
        panel(product, p - before, share, block);
      before += count;
    };
    part(first);
    (part(others), ...);
  }

  static Range part_of(std::int64_t count, int shares, int share) { return {count * share / shares, count * (share + 1) / shares}; }
};

}  // namespace detail
}  // namespace vernier::cpu
