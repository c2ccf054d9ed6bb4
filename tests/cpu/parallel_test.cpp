// The pool runs every share exactly once, also where a worker sleeps, splits ranges without gaps, and passes exceptions on.
#include "vernier/cpu/parallel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <string>
#include <thread>
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

#ifdef __linux__
std::vector<int> processors_of(pthread_t thread) {
  cpu_set_t set;
  EXPECT_EQ(pthread_getaffinity_np(thread, sizeof(set), &set), 0);
  std::vector<int> all;
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(static_cast<std::size_t>(i), &set)) all.push_back(i);
  return all;
}

/// Where the workers but the caller may run, each of them asked once: the caller's share lasts until all have come.
std::vector<std::vector<int>> processors_of_workers(ThreadPool& pool) {
  std::vector<std::vector<int>> found(static_cast<std::size_t>(pool.size()));
  std::atomic<int> come{1};
  const std::thread::id caller = std::this_thread::get_id();
  pool.run([&](int share) {
    if (std::this_thread::get_id() != caller) {
      found[static_cast<std::size_t>(share)] = processors_of(pthread_self());
      ++come;
    }
    while (share == 0 && come < pool.size()) std::this_thread::yield();
  });
  return found;
}

TEST(ThreadPool, PinsItsOwnWorkersWhereAsked) {
  const std::vector<int> allowed = processors_of(pthread_self());
  const std::vector<int> wanted{allowed.front(), allowed.back(), allowed[allowed.size() / 2]};
  ThreadPool pool(3, wanted);
  const std::vector<std::vector<int>> found = processors_of_workers(pool);
  for (std::size_t worker : {1u, 2u}) EXPECT_EQ(found[worker], std::vector{wanted[worker]});
  EXPECT_EQ(processors_of(pthread_self()), allowed) << "the caller is not the pool's";
}

TEST(ThreadPool, PinsNothingByDefault) {
  const std::vector<int> allowed = processors_of(pthread_self());
  ThreadPool pool(3);
  const std::vector<std::vector<int>> found = processors_of_workers(pool);
  for (std::size_t worker : {1u, 2u}) EXPECT_EQ(found[worker], allowed);
}

TEST(ThreadPool, RefusesProcessorsThatItCannotHave) {
  const auto message = [](int threads, const std::vector<int>& processors) -> std::string {
    try {
      ThreadPool pool(threads, processors);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message(3, {0, 1}), "vernier::cpu::ThreadPool: 2 processors for 3 threads, expected one for each, or none");
  EXPECT_EQ(message(2, {0, -1}), "vernier::cpu::pin: processor -1, expected 0 to 1023");
  EXPECT_EQ(message(3, {0, 0, 1023}),
            "vernier::cpu::pin: a thread cannot be kept on processor 1023: Invalid argument; `taskset -cp $$` lists those that this "
            "process may use");
}

TEST(PinThisThread, ReachesThreadsThatItStarts) {
  const int wanted = processors_of(pthread_self()).back();
  std::thread([&] {  // not the test's own thread, which others will start from
    pin_this_thread(wanted);
    EXPECT_EQ(processors_of(pthread_self()), std::vector{wanted});
    std::thread([&] { EXPECT_EQ(processors_of(pthread_self()), std::vector{wanted}); }).join();
  })
      .join();
}
#endif

}  // namespace
}  // namespace vernier::cpu
