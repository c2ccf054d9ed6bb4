// What the CUDA tests of the KV cache and of attention share: a cache in the emulator's memory, and batches for it.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <span>
#include <vector>

#include "support/compare.hpp"
#include "vernier/core/buffer.hpp"
#include "vernier/kv/append.cuh"
#include "vernier/kv/cache.cuh"

namespace vernier::test {

/// A CUDA cache and its memory, which starts as NaN in every format, as a page that was used before may be.
struct CudaKv {
  Buffer<std::uint8_t> memory;
  cuda::KvCache cache;

  CudaKv(const KvConfig& config, const KvGeometry& geometry)
      : memory(cuda::KvCache::layout_for(config, geometry).total_bytes()), cache(config, geometry, dirty(memory), Arch::sm80) {}

  static std::uint8_t* dirty(Buffer<std::uint8_t>& memory) {
    std::memset(memory.data(), 0xff, memory.size_bytes());
    return memory.data();
  }
};

/// The device's copy of a batch.
struct CudaBatch {
  cuda::KvBatchTables tables;
  Buffer<int> words;
  cuda::KvBatchView view;

  CudaBatch(const KvPages& cache, std::span<const KvChunk> batch, const RotaryView& rotary = {}, int rows = 256)
      : tables(8, rows, 64), words(tables.words()), view(tables.view(words.data())) {
    tables.fill(cache, batch, rotary, {words.data(), words.size()});
  }
};

/// Keys or values of a chunk: `cols` seeded numbers for each position, the same however positions are chunked.
inline std::vector<float> token_rows(const KvChunk& chunk, int cols, unsigned seed) {
  std::vector<float> rows;
  for (int i = 0; i < chunk.count; ++i) {
    const auto row = normal(static_cast<std::size_t>(cols), seed + static_cast<unsigned>(chunk.first + i) * 7919u);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return rows;
}

}  // namespace vernier::test
