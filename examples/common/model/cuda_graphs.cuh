// The recorded decode steps of a backend: one for each number of tokens and each cache, made when a step comes for the second time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "vernier/cuda/graph.cuh"
#include "vernier/cuda/stream.cuh"
#include "vernier/kv/layout.hpp"

namespace vernier::model {

/// What a recording depends on: the arguments of its launches are fixed, and so are their grids.
struct CudaGraphKey {
  int rows = 0;
  const std::uint8_t* cache = nullptr;
  KvConfig kv{};
  int pages = 0;
  int merges = 0;  // which layers launch a merge of split attention

  friend bool operator==(const CudaGraphKey&, const CudaGraphKey&) = default;
};

class CudaGraphs {
 public:
  /// Enough for every size of batch that one cache sees (see padded_rows() in cuda_backend.cuh); the one unused for longest goes first.
  static constexpr std::size_t most = 64;

  /// Does `work` in the stream: at the first time by calling it, which also loads its kernels; the second time it is recorded, and from
  /// then on replayed. `version` changes when memory that the recordings use has moved: they are forgotten then.
  template <class Work>
  void run(const CudaGraphKey& key, int version, const cuda::OwnedStream& stream, Work&& work) {
    if (std::exchange(version_, version) != version) entries_.clear();
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
    if (found == entries_.end()) {
      work();
      if (entries_.size() == most) entries_.erase(entries_.begin());
      entries_.push_back({key, {}});
      return;
    }
    std::rotate(found, found + 1, entries_.end());
    cuda::Graph& graph = entries_.back().graph;
    if (!graph) graph = cuda::Graph::record(stream, work);
    graph.replay(stream);
  }

 private:
  struct Entry {
    CudaGraphKey key;
    cuda::Graph graph;
  };

  std::vector<Entry> entries_;  // last used last
  int version_ = -1;
};

}  // namespace vernier::model
