// A batch as CUDA kernels read it: plain arrays in device memory, at fixed places, so that the recorded launches of a decode step can be
// replayed with new contents.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

#include "vernier/kv/check.hpp"
#include "vernier/kv/rotary_view.hpp"
#include "vernier/kv/sequence.hpp"

namespace vernier::cuda {

/// A KvChunk whose page table is entries [first_page, ...) of KvBatchView::pages.
struct KvBatchChunk {
  int first_page = 0;
  int first = 0, count = 0;  // positions
  int row = 0;               // of q, k, v and out: that of its first token
};

/// What kernels know of a batch; everything is in device memory.
struct KvBatchView {
  const KvBatchChunk* chunks = nullptr;
  const int* pages = nullptr;
  const int* row_chunks = nullptr;  // (rows): whose token a row is
  const int* num_rows = nullptr;    // one number: rows behind it are not touched, whatever a launch was made for
};

/// The places of these arrays in one block of ints, which the owner of the step (a backend) has twice: on the host, where fill() writes it
/// before each step, and on the device, to where the owner then copies it, whole, in the stream of the step. While that copy may still be
/// running the host's block must not be filled again: take two in turns.
class KvBatchTables {
 public:
  /// For batches of at most `chunks` chunks with `rows` tokens and `pages` pages together; a page that sequences share counts for each.
  constexpr KvBatchTables(int chunks, int rows, int pages) : chunks_(chunks), rows_(rows), pages_(pages) {}

  constexpr int rows() const { return rows_; }
  /// Ints of the block, which must be 16-byte aligned; a multiple of 4.
  constexpr std::size_t words() const { return static_cast<std::size_t>(round_up(4 * chunks_ + pages_ + rows_ + 1, 4)); }

  KvBatchView view(const int* device) const {
    const int* const pages = device + 4 * chunks_;
    return {reinterpret_cast<const KvBatchChunk*>(device), pages, pages + pages_, pages + pages_ + rows_};
  }

  /// Writes a batch. host: words() ints. Throws Error, naming the values, unless the batch fits, its positions have pages that no other
  /// sequence holds, and angles: what kernels cannot check.
  void fill(const KvPages& cache, std::span<const KvChunk> batch, const RotaryView& rotary, std::span<int> host) const {
    constexpr const char* where = "vernier::cuda::KvBatchTables";
    using namespace vernier::detail;
    static_assert(sizeof(KvBatchChunk) == 4 * sizeof(int), "vernier::cuda::KvBatchTables: a chunk takes four ints of the block");
    int pages = 0;
    for (const KvChunk& chunk : batch) {
      expect_writable(where, cache, chunk);
      pages += cache.pages_for(chunk.first + chunk.count);
    }
    expect_rotary(where, rotary, cache.geometry().head_dim, batch);
    const int rows = batch_rows(batch);
    expect(batch.size() <= static_cast<std::size_t>(chunks_) && rows <= rows_ && pages <= pages_, where, "the batch has ", batch.size(),
           " chunks, ", rows, " tokens and ", pages, " pages, but there is room for ", chunks_, ", ", rows_, " and ", pages_);
    expect(host.size() >= words(), where, "the block has ", host.size(), " ints, expected ", words());
    write(cache, batch, host.data());
  }

 private:
  void write(const KvPages& cache, std::span<const KvChunk> batch, int* host) const {
    int* const pages = host + 4 * chunks_;
    int* const row_chunks = pages + pages_;
    int page = 0, row = 0, index = 0;
    for (const KvChunk& chunk : batch) {
      const KvBatchChunk entry{page, chunk.first, chunk.count, row};
      std::memcpy(host + 4 * index, &entry, sizeof entry);
      const int used = cache.pages_for(chunk.first + chunk.count);
      std::copy_n(chunk.pages.begin(), used, pages + page);
      std::fill_n(row_chunks + row, chunk.count, index);
      page += used;
      row += chunk.count;
      ++index;
    }
    row_chunks[rows_] = row;
  }

  int chunks_, rows_, pages_;
};

}  // namespace vernier::cuda
