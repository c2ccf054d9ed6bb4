// Probes of clusters: their barrier, shared memory of other blocks, mbarriers there, and copies to several blocks at once.
#pragma once

#include "cuda/probe.hpp"
#include "vernier/cuda/tensor_map.cuh"

namespace vernier::probes {

constexpr int cluster_blocks = 4;

struct ClusterArgs {
  const std::uint32_t* in;  // (block, 64)
  std::uint32_t* out;       // (block, 64, what)
};

/// Each block reads the next one's words, one by one and by fours, and writes its own into the one before it.
template <Arch A>
struct ClusterExchange {
  using Args = ClusterArgs;
  static constexpr Arch arch = A;
  static constexpr int cluster = cluster_blocks, threads = 64, results = 4, shared_bytes = 2 * 4 * threads;
  __device__ static void run(const Args& args, unsigned char* raw) {
    const unsigned t = threadIdx.x, rank = cuda::cluster_rank(), size = cuda::cluster_size();
    const unsigned next = (rank + 1) % size, previous = (rank + size - 1) % size;
    auto* words = reinterpret_cast<std::uint32_t*>(raw);
    std::uint32_t* out = args.out + results * (threads * blockIdx.x + t);
    words[t] = args.in[threads * blockIdx.x + t];
    cuda::cluster_sync();
    std::uint32_t one[1], four[4];
    cuda::ld_cluster(one, cuda::cluster_address(words + t, next));
    cuda::ld_cluster(four, cuda::cluster_address(words, next) + 16 * static_cast<int>(t % 16));
    out[0] = one[0];
    out[1] = four[t / 16];
    one[0] = words[t];
    if (t < 32) {
      cuda::st_cluster(cuda::cluster_address(words + threads + t, previous), one);
    } else if (t < 40) {
      for (unsigned i = 0; i < 4; ++i) four[i] = words[32 + 4 * (t - 32) + i];
      cuda::st_cluster(cuda::cluster_address(words + threads + 32 + 4 * (t - 32), previous), four);
    }
    __syncwarp();
    cuda::cluster_arrive();
    out[2] = 100 * rank + size;
    cuda::cluster_wait();
    out[3] = words[threads + t];
  }
};

template <class Machine>
Outcome probe_cluster_exchange(Machine& machine) {
  constexpr int blocks = 2 * cluster_blocks, threads = 64, results = 4;
  Outcome outcome{.name = "barrier.cluster, mapa, ld and st.shared::cluster"};
  std::vector<std::uint32_t> in(blocks * threads), out(in.size() * results);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint32_t>(1000 + i);
  machine.template launch<ClusterExchange, Arch::sm90a>({blocks}, ClusterArgs{machine.array(in), machine.array(out)});
  for (int block = 0; block < blocks; ++block)
    for (int t = 0; t < threads; ++t) {
      const int rank = block % cluster_blocks, next = block - rank + (rank + 1) % cluster_blocks;
      const std::uint32_t* got = &out[static_cast<std::size_t>(results * (threads * block + t))];
      const std::string where = "block " + std::to_string(block) + ", thread " + std::to_string(t);
      outcome.expect_equal(1000 + threads * next + t, got[0], where + " (ld.b32)");
      outcome.expect_equal(1000 + threads * next + 4 * (t % 16) + t / 16, got[1], where + " (ld.v4)");
      outcome.expect_equal(100 * rank + cluster_blocks, got[2], where + " (rank and size)");
      outcome.expect_equal(1000 + threads * next + t, got[3], where + " (st)");
    }
  return outcome;
}

/// Blocks pass 256 bytes around the ring, twice, by the copy engine; each tells the one before it that its buffer is free.
template <Arch A>
struct ClusterRing {
  using Args = ClusterArgs;
  static constexpr Arch arch = A;
  static constexpr int cluster = cluster_blocks, threads = 64, buffer_bytes = 4 * threads, shared_bytes = 2 * buffer_bytes + 16;
  __device__ static void run(const Args& args, unsigned char* raw) {
    const unsigned t = threadIdx.x, rank = cuda::cluster_rank(), next = (rank + 1) % cluster, previous = (rank + cluster - 1) % cluster;
    auto* received = reinterpret_cast<std::uint32_t*>(raw);
    std::uint32_t* sent = received + threads;
    auto* full = reinterpret_cast<std::uint64_t*>(raw + 2 * buffer_bytes);
    std::uint64_t* empty = full + 1;  // of the next block's buffer
    if (t == 0) {
      cuda::mbarrier_init(full, 1);
      cuda::mbarrier_init(empty, threads);
      cuda::fence_mbarrier_init();
    }
    sent[t] = args.in[threads * blockIdx.x + t];
    cuda::fence_proxy_async();
    cuda::cluster_sync();
    for (unsigned round = 0; round < 2; ++round) {
      if (t == 0) {
        cuda::mbarrier_arrive_expect_tx(full, buffer_bytes);
        cuda::mbarrier_try_wait_parity_cluster(empty, (round + 1) % 2);
        cuda::bulk_copy_cluster(cuda::cluster_address(received, next), sent, buffer_bytes, cuda::cluster_address(full, next));
      }
      cuda::mbarrier_try_wait_parity_cluster(full, round % 2);
      const std::uint32_t word = received[t];
      cuda::mbarrier_arrive_cluster(cuda::cluster_address(empty, previous));
      cuda::mbarrier_try_wait_parity_cluster(empty, round % 2);  // so the next block has what was sent
      sent[t] = word + 1;
      cuda::fence_proxy_async();
      __syncthreads();
    }
    args.out[threads * blockIdx.x + t] = sent[t];
    cuda::cluster_sync();
  }
};

template <class Machine>
Outcome probe_cluster_ring(Machine& machine) {
  constexpr int threads = 64;
  Outcome outcome{.name = "mbarrier.arrive.shared::cluster, cp.async.bulk.shared::cluster.shared::cta"};
  std::vector<std::uint32_t> in(cluster_blocks * threads), out(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint32_t>(1000 + i);
  machine.template launch<ClusterRing, Arch::sm90a>({cluster_blocks}, ClusterArgs{machine.array(in), machine.array(out)});
  for (int block = 0; block < cluster_blocks; ++block)
    for (int t = 0; t < threads; ++t)
      outcome.expect_equal(1000 + threads * ((block + 2) % cluster_blocks) + t + 2, out[static_cast<std::size_t>(threads * block + t)],
                           "block " + std::to_string(block) + ", thread " + std::to_string(t));
  return outcome;
}

struct MulticastArgs {
  cuda::TensorMap map;
  const std::uint16_t* run;
  std::uint16_t* out;  // (block, 2, 4, 8, 64)
};

/// Each block fetches a quarter of a tile, eight rows of 64 elements, for all blocks: of a tensor, and of a run of bytes.
template <Arch A>
struct Multicast {
  using Args = MulticastArgs;
  static constexpr Arch arch = A;
  static constexpr int cluster = cluster_blocks, threads = 32, quarter_bytes = 8 * 128, tile_bytes = cluster * quarter_bytes;
  static constexpr int shared_bytes = 2 * tile_bytes + 8;
  __device__ static void run(const Args& args, unsigned char* raw) {
    auto* barrier = reinterpret_cast<std::uint64_t*>(raw + 2 * tile_bytes);
    if (threadIdx.x == 0) {
      cuda::mbarrier_init(barrier, 1);
      cuda::fence_mbarrier_init();
      cuda::mbarrier_arrive_expect_tx(barrier, 2 * tile_bytes);
    }
    __syncwarp();
    cuda::cluster_sync();
    const int rank = static_cast<int>(cuda::cluster_rank());
    constexpr std::uint16_t everyone = (1u << cluster) - 1;
    if (cuda::elect_one()) {
      unsigned char* to = raw + quarter_bytes * rank;
      if (rank % 2 == 0)
        cuda::tensor_load_multicast(to, args.map, barrier, everyone, 0, 8 * rank);
      else
        cuda::tensor_load_multicast(to, args.map, barrier, everyone, 0, 8 * rank, 0);
      cuda::bulk_load_multicast(to + tile_bytes, args.run + quarter_bytes / 2 * rank, quarter_bytes, barrier, everyone);
    }
    __syncwarp();
    cuda::mbarrier_try_wait_parity(barrier, 0);
    const auto* tile = reinterpret_cast<const std::uint16_t*>(raw);
    for (unsigned i = threadIdx.x; i < tile_bytes; i += threads) args.out[tile_bytes * blockIdx.x + i] = tile[i];
    cuda::cluster_sync();
  }
};

template <class Machine>
Outcome probe_multicast(Machine& machine) {
  constexpr int tile = cluster_blocks * 8 * 64;
  Outcome outcome{.name = "multicast::cluster, elect.sync"};
  std::vector<std::uint16_t> in(tile), run(tile), out(cluster_blocks * 2 * tile);
  for (std::size_t i = 0; i < tile; ++i) {
    in[i] = static_cast<std::uint16_t>(i);
    run[i] = static_cast<std::uint16_t>(10000 + i);
  }
  MulticastArgs args{};
  args.map = cuda::tensor_map({.data = machine.array(in),
                               .size = {64, cluster_blocks * 8, 1},
                               .stride_bytes = {128, 128 * cluster_blocks * 8},
                               .box = {64, 8, 1},
                               .swizzle = cuda::Swizzle::b128});
  args.run = machine.array(run);
  args.out = machine.array(out);
  machine.template launch<Multicast, Arch::sm90a>({cluster_blocks}, args);
  for (int block = 0; block < cluster_blocks; ++block)
    for (int i = 0; i < tile; ++i) {
      const int row = i / 64, chunk = i % 64 / 8 ^ row % 8;  // where the swizzle of 128 bytes puts it
      const auto got = [&](int at) { return out[static_cast<std::size_t>(2 * tile * block + at)]; };
      const std::string where = "block " + std::to_string(block) + ", element " + std::to_string(i);
      outcome.expect_equal(i, got(64 * row + 8 * chunk + i % 8), where + " (tensor)");
      outcome.expect_equal(10000 + i, got(tile + i), where + " (bulk)");
    }
  return outcome;
}

template <class Machine>
void probe_clusters(Machine& machine, std::vector<Outcome>& outcomes) {
  if (machine.arch() < Arch::sm90a) return;
  outcomes.push_back(probe_cluster_exchange(machine));
  outcomes.push_back(probe_cluster_ring(machine));
  outcomes.push_back(probe_multicast(machine));
}

}  // namespace vernier::probes
