// The memory that a GEMM needs beside its operands. Kept by the caller, so that a warm call allocates nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "vernier/core/buffer.hpp"
#include "vernier/gemm/activations.hpp"
#include "vernier/layout/cpu_panel.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/layout/panel_source.hpp"

namespace vernier::cpu {

/// Scratch for gemm(). Grows to the largest problem seen and never shrinks. One call at a time; share it between layers, not threads.
struct GemmWorkspace {
  Buffer<std::uint8_t> activations;  // converted or quantised, interleaved by token
  Buffer<float> scales;              // of int8 and int16 activations
  Buffer<std::int32_t> offsets;      // of int8 activations
  Buffer<float> panels;              // one decoded panel per worker
  // Per worker: panels of matrices that are not packed, one of each shape and format, and what the last one looks like.
  struct Made {
    std::vector<PackedMatrix> panels;
    PackedView last;
  };
  std::vector<Made> made;

  /// Room for `tiles` of activations (a single token once per worker) and for a panel of padded_k columns for each worker.
  void reserve(const TokenTiles& tiles, int workers, bool decodes) {
    const std::size_t tokens = static_cast<std::size_t>(tiles.m == 1 ? workers : tiles.padded_m());
    activations.reserve_discard(tokens * static_cast<std::size_t>(tiles.padded_k) * sizeof(float));
    scales.reserve_discard(tokens * static_cast<std::size_t>(tiles.groups()));
    offsets.reserve_discard(tokens * static_cast<std::size_t>(tiles.groups()));
    if (decodes) panels.reserve_discard(static_cast<std::size_t>(workers) * static_cast<std::size_t>(tiles.padded_k) * CpuPanel::rows);
    if (made.size() < static_cast<std::size_t>(workers)) made.resize(static_cast<std::size_t>(workers));
  }

  /// Panel `index` of w, from its source, as a matrix of its own. Good until this worker asks again.
  const PackedView& make(const PackedView& w, int index, int worker) {
    auto& [all, last] = made[static_cast<std::size_t>(worker)];
    const int rows = panel_rows(w, index);
    auto at = std::find_if(all.begin(), all.end(),
                           [&](const PackedMatrix& m) { return m.n() == rows && m.k() == w.k && m.format() == w.format; });
    if (at == all.end()) at = all.emplace(at, rows, w.k, w.format);
    w.source->make(index, *at, worker);
    return last = at->view();
  }
};

}  // namespace vernier::cpu
