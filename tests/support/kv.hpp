// What the tests of the KV cache and of attention share: filling sequences with seeded keys and values.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/compare.hpp"
#include "support/error_of.hpp"
#include "vernier/kv/append.hpp"

namespace vernier::test {

inline constexpr Precision kv_precisions[] = {Precision::f16, Precision::bf16, Precision::i8, Precision::e4m3, Precision::e5m2};

/// Appends seeded keys and values for the chunk's positions, the same for the same seed and position however the positions are chunked.
inline void fill(cpu::ThreadPool& pool, KvCache& cache, int layer, const KvChunk& chunk, unsigned seed, const RotaryView& rotary = {}) {
  const int cols = cache.geometry().kv_heads * cache.geometry().head_dim;
  std::vector<float> k, v;
  for (int i = 0; i < chunk.count; ++i) {
    const unsigned token = seed + static_cast<unsigned>(chunk.first + i) * 7919u;
    const auto key = normal(static_cast<std::size_t>(cols), token), value = normal(static_cast<std::size_t>(cols), token + 1);
    k.insert(k.end(), key.begin(), key.end());
    v.insert(v.end(), value.begin(), value.end());
  }
  append(pool, cache, layer, {&chunk, 1}, {k.data(), chunk.count, cols}, {v.data(), chunk.count, cols}, rotary);
}

/// Of rows of `dim` elements.
inline double largest_norm(const std::vector<float>& rows, int dim) {
  double largest = 0;
  for (std::size_t at = 0; at < rows.size(); at += static_cast<std::size_t>(dim)) {
    double sum = 0;
    for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d)
      sum += static_cast<double>(rows[at + d]) * static_cast<double>(rows[at + d]);
    largest = std::max(largest, std::sqrt(sum));
  }
  return largest;
}

}  // namespace vernier::test
