// How a launch is emulated, and what was counted while it ran.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace simt {

/// Which of the threads that could go on does so.
enum class Order : std::uint8_t {
  ascending,   // first come, first served; blocks from the first on
  descending,  // last come, first served, so one thread runs as far as it can; blocks from the last on
  random,      // any, from a seed; asynchronous copies land at any time
};

struct Options {
  Order order = Order::ascending;
  std::uint64_t seed = 1;               // of Order::random
  int resident_blocks = 4;              // blocks that run at once; a kernel may wait for another block only if both are resident
  std::size_t stack_bytes = 256 << 10;  // of each thread; sanitizers need much
};

/// "ascending", "descending" or "random, seed 3": for SCOPED_TRACE.
inline std::string to_string(const Options& options) {
  switch (options.order) {
    case Order::ascending: return "ascending";
    case Order::descending: return "descending";
    case Order::random: return "random, seed " + std::to_string(options.seed);
  }
  return "?";
}

/// The two extremes and `random_count` seeds: what a kernel's test loops over.
inline std::vector<Options> schedules(int random_count = 2) {
  std::vector<Options> all{{.order = Order::ascending}, {.order = Order::descending}};
  for (int seed = 1; seed <= random_count; ++seed) all.push_back({.order = Order::random, .seed = static_cast<std::uint64_t>(seed)});
  return all;
}

/// Totals of a launch, or of several. Instructions of a warp count once for the warp, copies and atomics once for each thread.
struct Counters {
  std::uint64_t switches = 0;         // from one thread to another
  std::uint64_t barriers = 0;         // completed block-wide and named barriers
  std::uint64_t collectives = 0;      // shuffles, votes, matches, reductions, __syncwarp
  std::uint64_t matrix_loads = 0;     // ldmatrix and stmatrix
  std::uint64_t matrix_products = 0;  // mma.sync and wgmma
  std::uint64_t async_copies = 0;     // cp.async, bulk and tensor copies
  std::uint64_t atomics = 0;
  std::uint64_t bank_conflicts = 0;  // shared-memory wavefronts beyond the least possible, in instructions that the emulator sees

  Counters& operator+=(const Counters& other) {
    switches += other.switches;
    barriers += other.barriers;
    collectives += other.collectives;
    matrix_loads += other.matrix_loads;
    matrix_products += other.matrix_products;
    async_copies += other.async_copies;
    atomics += other.atomics;
    bank_conflicts += other.bank_conflicts;
    return *this;
  }
};

}  // namespace simt
