// The pool runs every share exactly once, also where a worker sleeps, splits ranges without gaps, and passes exceptions on.
#include "vernier/cpu/parallel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <vector>

namespace vernier::cpu {
namespace {

TEST(ThreadPool, RunsEveryWorkerOnce) {
  for (int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 200; ++round) {
      std::vector<int> calls(static_cast<std::size_t>(threads), 0);
      pool.run([&](int worker) { ++calls[static_cast<std::size_t>(worker)]; });
      for (int count : calls) ASSERT_EQ(count, 1);
    }
  }
}

TEST(ThreadPool, RangesCoverEverythingOnceAndKeepTheGrain) {
  for (int threads : {1, 2, 5})
    for (int count : {0, 1, 31, 32, 33, 1000})
      for (int grain : {1, 8, 32}) {
        ThreadPool pool(threads);
        std::vector<std::atomic<int>> hits(static_cast<std::size_t>(count));
        pool.for_ranges(
            count,
            [&](std::int64_t begin, std::int64_t end) {
              EXPECT_EQ(begin % grain, 0);
              EXPECT_TRUE(end % grain == 0 || end == count);
              for (std::int64_t i = begin; i < end; ++i) ++hits[static_cast<std::size_t>(i)];
            },
            grain);
        for (const auto& hit : hits) ASSERT_EQ(hit.load(), 1);
      }
}

TEST(ThreadPool, ForEachTakesEveryIndexOnce) {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> hits(10'000);
  pool.for_each(10'000, [&](std::int64_t i) { ++hits[static_cast<std::size_t>(i)]; });
  for (const auto& hit : hits) ASSERT_EQ(hit.load(), 1);
}

TEST(ThreadPool, RunsSeparatePhases) {
  ThreadPool pool(4);
  std::vector<int> written(4, -1);
  for (int round = 0; round < 2000; ++round) {
    std::atomic<int> wrong{0};
    pool.run([&](int share) { written[static_cast<std::size_t>(share)] = round; });
    pool.run([&](int) {
      for (int value : written) wrong += value != round;
    });
    ASSERT_EQ(wrong.load(), 0);
  }
}

TEST(ThreadPool, TheCallerTakesWhatNoWorkerHasBegun) {
  // Far more threads than cores: most workers come late, some by several runs, and must then find nothing to do.
  ThreadPool pool(64);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::atomic<int>> calls(64);
    pool.run([&](int share) { ++calls[static_cast<std::size_t>(share)]; });
    for (const auto& count : calls) ASSERT_EQ(count.load(), 1);
  }
}

TEST(ThreadPool, PassesTheFirstExceptionOnAndStaysUsable) {
  ThreadPool pool(3);
  EXPECT_THROW(pool.run([](int worker) { expect(worker != 2, "test", "worker ", worker); }), Error);
  std::atomic<int> calls{0};
  pool.run([&](int) { ++calls; });
  EXPECT_EQ(calls.load(), 3);
}

TEST(ThreadPool, RefusesImpossibleSizes) {
  EXPECT_THROW(ThreadPool(0), Error);
  EXPECT_THROW(ThreadPool(-1), Error);
  EXPECT_THROW(ThreadPool(1025), Error);
}

}  // namespace
}  // namespace vernier::cpu
