// Several ways to do the same work, timed in turn: A B A B, so that what the machine does meanwhile meets all of them. Each is recorded as
// a CUDA graph of many launches and replayed, so that what it costs to launch a kernel is not what is measured.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/spread.hpp"
#include "cuda/row.hpp"
#include "vernier/core/error.hpp"
#include "vernier/cuda/graph.cuh"
#include "vernier/cuda/stream.cuh"

namespace vernier::bench {

/// Work on the i-th of the copies of its operands.
using Work = std::function<void(int i)>;

/// A pair of events.
class GpuTimer {
 public:
  GpuTimer() {
    cuda::check(cudaEventCreate(&start_), "GpuTimer");
    cuda::check(cudaEventCreate(&stop_), "GpuTimer");
  }
  ~GpuTimer() {
    (void)cudaEventDestroy(start_);
    (void)cudaEventDestroy(stop_);
  }
  GpuTimer(const GpuTimer&) = delete;
  GpuTimer& operator=(const GpuTimer&) = delete;

  /// Seconds that the stream takes for what `work` puts into it.
  template <class F>
  double seconds(const cuda::OwnedStream& stream, F&& work) {
    cuda::check(cudaEventRecord(start_, stream), "GpuTimer");
    work();
    cuda::check(cudaEventRecord(stop_, stream), "GpuTimer");
    stream.synchronize();
    float milliseconds = 0;
    cuda::check(cudaEventElapsedTime(&milliseconds, start_, stop_), "GpuTimer");
    return static_cast<double>(milliseconds) * 1e-3;
  }

 private:
  cudaEvent_t start_{}, stop_{};
};

class Contest {
 public:
  struct Entry {
    std::string name;
    Spread seconds;       // of one launch
    std::string why_not;  // where there is no time
  };

  /// least_seconds: that one replay should take at least, or events say little.
  Contest(const cuda::OwnedStream& stream, int rounds, double least_seconds = 1e-3)
      : stream_(&stream), rounds_(rounds), least_seconds_(least_seconds) {}

  /// `work` is run `copies` times, or as many times that as one replay needs.
  void add(std::string name, int copies, const Work& work) {
    Contestant c{.entry = {.name = std::move(name), .seconds = {}, .why_not = {}}, .graph = {}, .launches = copies};
    try {
      for (int i = 0; i < copies; ++i) work(i);  // loads kernels
      stream_->synchronize();
      const double once = timer_.seconds(*stream_, [&] {
        for (int i = 0; i < copies; ++i) work(i);
      });
      c.launches = copies * std::clamp(static_cast<int>(least_seconds_ / once), 1, 1 + 1000 / copies);
      c.graph = cuda::Graph::record(*stream_, [&] {
        for (int i = 0; i < c.launches; ++i) work(i % copies);
      });
    } catch (const Error& error) {
      c.entry.why_not = error.what();
    }
    contestants_.push_back(std::move(c));
  }
  void add_missing(std::string name, std::string why_not) {
    contestants_.push_back({.entry = {.name = std::move(name), .seconds = {}, .why_not = std::move(why_not)}, .graph = {}, .launches = 0});
  }

  /// One replay of each that does not count, then the rounds.
  std::vector<Entry> run() {
    std::vector<std::vector<double>> times(contestants_.size());
    for (int round = 0; round <= rounds_; ++round)
      for (std::size_t i = 0; i < contestants_.size(); ++i) {
        Contestant& c = contestants_[i];
        if (!c.graph) continue;
        const double seconds = timer_.seconds(*stream_, [&] { c.graph.replay(*stream_); });
        if (round != 0) times[i].push_back(seconds / c.launches);
      }
    std::vector<Entry> entries;
    for (std::size_t i = 0; i < contestants_.size(); ++i) {
      contestants_[i].entry.seconds = Spread::of(times[i]);
      entries.push_back(contestants_[i].entry);
    }
    return entries;
  }

 private:
  struct Contestant {
    Entry entry;
    cuda::Graph graph;
    int launches;
  };

  const cuda::OwnedStream* stream_;
  int rounds_;
  double least_seconds_;
  GpuTimer timer_;
  std::vector<Contestant> contestants_;
};

/// A line's fields of one entry: its time and what follows from it, or why there is none.
inline void add_entry(Row& row, std::string_view key, const Contest::Entry& entry) {
  Row fields;
  if (entry.why_not.empty())
    fields.add("us", Spread{entry.seconds.median * 1e6, entry.seconds.min * 1e6, entry.seconds.max * 1e6});
  else
    fields.add("not_measured", entry.why_not);
  row.add(key, fields);
}

}  // namespace vernier::bench
