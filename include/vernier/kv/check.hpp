// What every operation on a KV cache checks at its entry, before anything is written or launched.
#pragma once

#include <cstddef>
#include <limits>
#include <span>

#include "vernier/core/error.hpp"
#include "vernier/kv/rotary_view.hpp"
#include "vernier/kv/sequence.hpp"

namespace vernier::detail {

/// Throws Error unless chunk lies in its pages and they in the cache.
inline void expect_chunk(const char* where, const KvPages& cache, const KvChunk& chunk) {
  expect(chunk.first >= 0 && chunk.count >= 0 && chunk.count <= std::numeric_limits<int>::max() - chunk.first, where, "positions ",
         chunk.first, " + ", chunk.count, ", expected two numbers that are not negative");
  const int needed = cache.pages_for(chunk.first + chunk.count);
  expect(chunk.pages.size() >= static_cast<std::size_t>(needed), where, "the sequence has ", chunk.pages.size(), " pages, but position ",
         chunk.first + chunk.count - 1, " needs ", needed, "; call KvSequence::extend first");
  for (int i = 0; i < needed; ++i) {
    const int page = chunk.pages[static_cast<std::size_t>(i)];
    expect(page >= 0 && page < cache.num_pages(), where, "page ", page, " is not one of ", cache.num_pages());
  }
}

inline void expect_layer(const char* where, const KvPages& cache, int layer) {
  expect(layer >= 0 && layer < cache.geometry().layers, where, "layer = ", layer, ", the cache has ", cache.geometry().layers);
}

/// The same, and that each page of the chunk's positions has no other holder.
inline void expect_writable(const char* where, const KvPages& cache, const KvChunk& chunk) {
  expect_chunk(where, cache, chunk);
  const int page_tokens = cache.config().page_tokens;
  for (int p = chunk.first / page_tokens; chunk.count > 0 && p <= (chunk.first + chunk.count - 1) / page_tokens; ++p) {
    const int page = chunk.pages[static_cast<std::size_t>(p)], holders = cache.pages().references(page);
    expect(holders == 1, where, "page ", page, " has ", holders, " holders, expected 1; call KvSequence::extend, which copies");
  }
}

inline void expect_rotary(const char* where, const RotaryView& rotary, int head_dim, std::span<const KvChunk> batch) {
  expect(rotary.half >= 0 && 2 * rotary.half <= head_dim, where, "the rotary table turns ", 2 * rotary.half,
         " elements, but head_dim = ", head_dim);
  for (const KvChunk& chunk : batch) {
    const long long last = static_cast<long long>(chunk.first) + chunk.count - 1;
    expect(rotary.half == 0 || (chunk.first >= 0 && last < rotary.positions), where, "position ", last,
           " is not in the rotary table, which has ", rotary.positions);
  }
}

/// The number of token rows of a batch.
inline int batch_rows(std::span<const KvChunk> batch) {
  int rows = 0;
  for (const KvChunk& chunk : batch) rows += chunk.count;
  return rows;
}

}  // namespace vernier::detail
