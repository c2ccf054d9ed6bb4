// Weights for benchmarks: no NaN, no infinity, ordinary size, and written by the threads that will read them.
#pragma once

#include <cstdint>

#include "common/noise.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/layout/packed_matrix.hpp"

namespace vernier::bench {

inline PackedMatrix random_matrix(cpu::ThreadPool& pool, int n, int k, Precision p, unsigned seed) {
  PackedMatrix w(n, k, default_format(p));
  const CpuPanel panel = w.panel();
  pool.for_ranges(panel.panels(), [&](std::int64_t begin, std::int64_t end) {
    std::uint32_t state = seed + static_cast<std::uint32_t>(begin);
    for (std::size_t i = static_cast<std::size_t>(begin) * panel.panel_bytes(); i < static_cast<std::size_t>(end) * panel.panel_bytes();
         ++i) {
      std::uint8_t byte = static_cast<std::uint8_t>(next_random(state) >> 24);
      if (p != Precision::i8 && p != Precision::nf4 && (bits(p) == 8 || i % 2 == 1)) byte = (byte & 0x83) | 0x38;  // about one
      if (p == Precision::i8 && byte == 0x80) byte = 0;
      w.codes()[i] = byte;
    }
  });
  for (int i = 0; i < panel.panels() * w.scale_groups() * CpuPanel::rows; ++i) w.scales()[i] = 0.01f;
  return w;
}

}  // namespace vernier::bench
