// The thread pool that callers hand to the CPU kernels. No globals: two pools are two independent sets of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "vernier/core/error.hpp"
#include "vernier/cpu/affinity.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vernier::cpu {

namespace detail {

/// Waits until `value` differs from `old`: spins briefly, yields a little, then parks in the kernel. Pure spinning collapses when a
/// core is shared; parking alone costs microseconds on each of the hundreds of steps of a token.
inline void wait_while_equal(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int i = 0; i < 2000; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
#if defined(__x86_64__)
    _mm_pause();
#endif
  }
  for (int i = 0; i < 16; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    std::this_thread::yield();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace detail

/// A fixed set of workers. The calling thread is worker 0, so a pool of one starts no thread. One caller at a time.
class ThreadPool {
 public:
  /// Worker i > 0 is kept on processors[i], if any are given: one for each thread. The caller is left alone, as its thread is not the
  /// pool's: one that wants worker 0 kept too calls pin_this_thread(processors[0]). By default nothing is pinned.
  /// Throws Error unless 1 <= threads <= 1024, or where a processor cannot be had.
  explicit ThreadPool(int threads, std::span<const int> processors = {}) : size_(threads) {
    constexpr const char* where = "vernier::cpu::ThreadPool";
    expect(threads >= 1 && threads <= 1024, where, "threads = ", threads, ", expected 1 to 1024");
    expect(processors.empty() || processors.size() == static_cast<std::size_t>(threads), where, processors.size(), " processors for ",
           threads, " threads, expected one for each, or none");
    claims_ = std::vector<std::atomic<std::uint32_t>>(static_cast<std::size_t>(threads));
    threads_.reserve(static_cast<std::size_t>(threads - 1));
    try {
      for (int worker = 1; worker < threads; ++worker) {
        threads_.emplace_back([this, worker] { work(worker); });
        if (!processors.empty()) pin(threads_.back(), processors[static_cast<std::size_t>(worker)]);
      }
    } catch (...) {
      stop();
      throw;
    }
  }

  ~ThreadPool() { stop(); }

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return size_; }

  /// Calls f(share) once for each share in [0, size()), in parallel, and returns when all calls have; the first exception is thrown again
  /// here. Share i is worker i's to take, but the caller takes those that no worker has begun when its own is done: where other
  /// programs hold a core, the step ends without waiting for a thread that is not running. So f must not wait for another share.
  template <class F>
  void run(F&& f) {
    if (size_ == 1) {
      f(0);
      return;
    }
    task_ = [](void* context, int share) { (*static_cast<std::remove_reference_t<F>*>(context))(share); };
    context_ = const_cast<void*>(static_cast<const void*>(std::addressof(f)));
    pending_.store(static_cast<std::uint32_t>(size_ - 1), std::memory_order_relaxed);
    const std::uint32_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
    advance(epoch_);
    call(0);
    for (int share = 1; share < size_; ++share)
      if (claim(share, epoch)) {
        call(share);
        pending_.fetch_sub(1, std::memory_order_acq_rel);
      }
    for (std::uint32_t left; (left = pending_.load(std::memory_order_acquire)) != 0;) detail::wait_while_equal(pending_, left);
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

  /// Splits [0, count) into one contiguous range per worker, in worker order, each but the last a multiple of `grain`, and calls
  /// f(begin, end) for those that are not empty. The split depends on count, grain and size() alone.
  template <class F>
  void for_ranges(std::int64_t count, F&& f, std::int64_t grain = 1) {
    const std::int64_t grains = (count + grain - 1) / grain;
    run([&](int worker) {
      const std::int64_t begin = std::min(count, grains * worker / size_ * grain);
      const std::int64_t end = std::min(count, grains * (worker + 1) / size_ * grain);
      if (begin < end) f(begin, end);
    });
  }

  /// Calls f(i) for each i in [0, count); whoever is free takes the next, for work of uneven length.
  template <class F>
  void for_each(std::int64_t count, F&& f) {
    std::atomic<std::int64_t> next{0};
    run([&](int) {
      for (std::int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) f(i);
    });
  }

 private:
  void stop() {
    stop_ = true;
    advance(epoch_);
    for (std::thread& thread : threads_) thread.join();
  }

  static void advance(std::atomic<std::uint32_t>& value) {
    value.fetch_add(1, std::memory_order_acq_rel);
    value.notify_all();
  }

  /// Takes a share of run number `epoch` if nobody has. A claim holds the number of the last run in which its share was taken, so a worker
  /// that comes too late, even by several runs, finds it taken and touches nothing.
  bool claim(int share, std::uint32_t epoch) {
    std::atomic<std::uint32_t>& taken = claims_[static_cast<std::size_t>(share)];
    std::uint32_t before = epoch - 1;
    return taken.load(std::memory_order_relaxed) == before && taken.compare_exchange_strong(before, epoch, std::memory_order_acq_rel);
  }

  void call(int share) {
    try {
      task_(context_, share);
    } catch (...) {
      const std::scoped_lock lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  void work(int worker) {
    for (std::uint32_t seen = 0;;) {
      detail::wait_while_equal(epoch_, seen);
      seen = epoch_.load(std::memory_order_acquire);
      if (stop_) return;
      if (!claim(worker, seen)) continue;
      call(worker);
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_all();
    }
  }

  int size_;
  std::vector<std::thread> threads_;
  void (*task_)(void*, int) = nullptr;
  void* context_ = nullptr;
  std::vector<std::atomic<std::uint32_t>> claims_;  // of each share; the caller's, share 0, needs none
  std::atomic<bool> stop_{false};                   // written before the last advance of epoch_
  std::exception_ptr error_;
  std::mutex error_mutex_;
  // Each on its own cache line: workers spin on one while others write another.
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  alignas(64) std::atomic<std::uint32_t> pending_{0};
};

}  // namespace vernier::cpu
