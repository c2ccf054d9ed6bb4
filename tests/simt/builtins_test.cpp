// What CUDA gives every kernel: indices, barriers, shuffles, votes, reductions, atomics, and blocks that run at once.
#include "simt/builtins.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "simt/launch.hpp"

namespace {

constexpr unsigned all = 0xffffffffu;

class Builtins : public testing::TestWithParam<simt::Options> {};

TEST_P(Builtins, EveryThreadRunsOnce) {
  const dim3 grid(3, 2, 2), block(5, 3, 2);
  std::vector<int> runs(12 * 30);
  simt::run({.grid = grid, .block = block}, GetParam(), [&](unsigned char*) {
    EXPECT_EQ(blockDim.y, 3u);
    EXPECT_EQ(gridDim.x, 3u);
    const unsigned b = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const unsigned t = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    ++runs[b * 30 + t];
  });
  for (int count : runs) EXPECT_EQ(count, 1);
}

TEST_P(Builtins, BarrierOrdersSharedMemory) {
  std::vector<float> out(2 * 96);
  const simt::Counters counters =
      simt::run({.grid = 2, .block = 96, .shared_bytes = 96 * sizeof(float)}, GetParam(), [&](unsigned char* raw) {
        auto* shared = reinterpret_cast<float*>(raw);
        EXPECT_TRUE(std::isnan(shared[threadIdx.x]));  // nobody has written it yet
        for (int round = 0; round < 3; ++round) {
          shared[threadIdx.x] = static_cast<float>(100 * round + static_cast<int>(threadIdx.x));
          __syncthreads();
          out[blockIdx.x * 96 + threadIdx.x] = shared[95 - threadIdx.x];
          __syncthreads();
        }
      });
  EXPECT_EQ(counters.barriers, 12u);
  for (int i = 0; i < 192; ++i) EXPECT_EQ(out[static_cast<std::size_t>(i)], static_cast<float>(200 + 95 - i % 96));
}

TEST_P(Builtins, Shuffles) {
  simt::run({.grid = {}, .block = 64}, GetParam(), [](unsigned char*) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    EXPECT_EQ(__shfl_sync(all, lane, 7), 7);
    EXPECT_EQ(__shfl_sync(all, lane, 3, 8), lane / 8 * 8 + 3);
    EXPECT_EQ(__shfl_xor_sync(all, lane, 5), lane ^ 5);
    EXPECT_EQ(__shfl_down_sync(all, lane, 4u, 16), lane % 16 < 12 ? lane + 4 : lane);
    EXPECT_EQ(__shfl_up_sync(all, static_cast<double>(lane), 4u, 16), lane % 16 < 4 ? lane : lane - 4);
    float sum = static_cast<float>(lane);
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(all, sum, step);
    EXPECT_EQ(sum, 496.0f);
    if (lane < 8) {
      EXPECT_EQ(__shfl_sync(0xffu, lane, 2), 2);
    } else {
      EXPECT_TRUE(std::isnan(__shfl_sync(0xffffff00u, 1.0f, 2)));  // lane 2 takes no part: undefined
    }
  });
}

TEST_P(Builtins, VotesMatchesAndReductions) {
  simt::run({.grid = {}, .block = 32}, GetParam(), [](unsigned char*) {
    const int lane = static_cast<int>(threadIdx.x);
    EXPECT_EQ(__ballot_sync(all, lane % 3 == 0), 0x49249249u);
    EXPECT_EQ(__any_sync(all, lane == 31), 1);
    EXPECT_EQ(__all_sync(all, lane != 31), 0);
    EXPECT_EQ(__match_any_sync(all, lane % 2), lane % 2 == 0 ? 0x55555555u : 0xaaaaaaaau);
    int equal = -1;
    EXPECT_EQ(__match_all_sync(all, 4, &equal), all);
    EXPECT_EQ(equal, 1);
    EXPECT_EQ(__reduce_add_sync(all, lane), 496);
    EXPECT_EQ(__reduce_max_sync(all, -lane), 0);
    EXPECT_EQ(__reduce_min_sync(all, static_cast<unsigned>(lane) + 3u), 3u);
  });
}

TEST_P(Builtins, AtomicsAddUpOverBlocks) {
  int count = 0;
  float sum = 0;
  unsigned largest = 0;
  simt::run({.grid = 8, .block = 64}, GetParam(), [&](unsigned char*) {
    atomicAdd(&count, 1);
    atomicAdd(&sum, 0.5f);
    atomicMax(&largest, blockIdx.x * 64 + threadIdx.x);
  });
  EXPECT_EQ(count, 512);
  EXPECT_EQ(sum, 256.0f);
  EXPECT_EQ(largest, 511u);
}

/// The last block to finish adds up what all blocks have left: split-K with a semaphore.
TEST_P(Builtins, LastBlockSeesTheWorkOfAll) {
  constexpr unsigned blocks = 6;
  std::vector<float> parts(blocks * 32);
  unsigned finished = 0;
  float total = 0;
  simt::run({.grid = blocks, .block = 32, .shared_bytes = 4}, GetParam(), [&](unsigned char* raw) {
    auto* last = reinterpret_cast<unsigned*>(raw);
    parts[blockIdx.x * 32 + threadIdx.x] = 1.0f;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
      *last = atomicAdd(&finished, 1u) == blocks - 1;
      __threadfence();
    }
    __syncthreads();
    if (*last == 0) return;
    float sum = 0;
    for (unsigned b = 0; b < blocks; ++b) sum += parts[b * 32 + threadIdx.x];
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(all, sum, step);
    if (threadIdx.x == 0) total = sum;
  });
  EXPECT_EQ(total, 32.0f * blocks);
}

/// Blocks pass a token on: each spins until the one before it has had it.
TEST_P(Builtins, BlocksThatRunAtOnceMayWaitForEachOther) {
  constexpr int blocks = 4;
  int turn = 0;
  std::vector<int> order;
  simt::run({.grid = blocks, .block = 32}, GetParam(), [&](unsigned char*) {
    if (threadIdx.x != 0) return;
    while (atomicAdd(&turn, 0) != static_cast<int>(blockIdx.x)) __nanosleep(20);
    __threadfence();
    order.push_back(static_cast<int>(blockIdx.x));
    __threadfence();
    atomicAdd(&turn, 1);
  });
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3}));
}

TEST_P(Builtins, Locks) {
  int lock = 0, guarded = 0;
  simt::run({.grid = 4, .block = 32}, GetParam(), [&](unsigned char*) {
    while (atomicCAS(&lock, 0, 1) != 0) {
    }
    __threadfence();
    ++guarded;
    __threadfence();
    atomicExch(&lock, 0);
  });
  EXPECT_EQ(guarded, 128);
}

INSTANTIATE_TEST_SUITE_P(Schedules, Builtins, testing::ValuesIn(simt::schedules()));

TEST(Schedule, SeedsDecideWhoGoesFirst) {
  const auto first_of = [](const simt::Options& options) {
    std::vector<unsigned> order(24);
    int next = 0;
    simt::run({.grid = 3, .block = 8}, options,
              [&](unsigned char*) { order[static_cast<std::size_t>(atomicAdd(&next, 1))] = blockIdx.x * 8 + threadIdx.x; });
    return order;
  };
  EXPECT_EQ(first_of({.order = simt::Order::ascending}).front(), 0u);
  EXPECT_EQ(first_of({.order = simt::Order::descending, .resident_blocks = 1}).front(), 23u);
  std::set<std::vector<unsigned>> orders;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const simt::Options options{.order = simt::Order::random, .seed = seed};
    orders.insert(first_of(options));
    EXPECT_EQ(first_of(options), first_of(options));  // the same seed, the same schedule
  }
  EXPECT_EQ(orders.size(), 5u);
}

}  // namespace
