// Keeping a thread on one processor, for callers who ask for it. Nothing here is used unless a list of processors is given.
#pragma once

#include <cstring>
#include <thread>

#include "vernier/core/error.hpp"

#ifdef __linux__
#include <pthread.h>
#include <sched.h>

namespace vernier::cpu::detail {

inline pthread_t this_thread() { return pthread_self(); }

inline void pin(pthread_t thread, int processor) {
  constexpr const char* where = "vernier::cpu::pin";
  expect(processor >= 0 && processor < CPU_SETSIZE, where, "processor ", processor, ", expected 0 to ", CPU_SETSIZE - 1);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(processor), &set);
  const int error = pthread_setaffinity_np(thread, sizeof(set), &set);
  expect(error == 0, where, "a thread cannot be kept on processor ", processor, ": ", std::strerror(error),
         "; `taskset -cp $$` lists those that this process may use");
}

}  // namespace vernier::cpu::detail
#else
namespace vernier::cpu::detail {

inline std::thread::native_handle_type this_thread() { return {}; }

inline void pin(std::thread::native_handle_type, int processor) {
  fail("vernier::cpu::pin", "a thread can be kept on a processor (here ", processor, ") on Linux only; give no processors");
}

}  // namespace vernier::cpu::detail
#endif

namespace vernier::cpu {

/// Keeps `thread` on one processor. Throws Error where the process may not use it, and on other systems than Linux.
inline void pin(std::thread& thread, int processor) { detail::pin(thread.native_handle(), processor); }

/// The same for the calling thread and for threads that it starts from now on.
inline void pin_this_thread(int processor) { detail::pin(detail::this_thread(), processor); }

}  // namespace vernier::cpu
