// What the emulator tells the sanitizers. Its own sources are compiled without them, so that only the kernel's memory accesses are judged;
// what an instruction does on behalf of a thread is reported here. Without a sanitizer all of this is empty.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simt/where.hpp"

namespace simt::detail {

/// While one lives, TSan ignores what this thread of the kernel does: interceptors (memcpy, new) see even uninstrumented code.
class Quiet {
 public:
  Quiet();
  ~Quiet();
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;
};

/// The calling thread reads or writes n bytes. Call under a Quiet. Under ASan, memory outside any live object is a Fault.
void note_read(const void* p, std::size_t n, const char* what, Where where);
void note_write(const void* p, std::size_t n, const char* what, Where where);

/// Happens-before for TSan: what precedes release(sync) is visible after a later acquire(sync).
void release(const void* sync);
void acquire(const void* sync);

/// An identity for TSan other than that of the threads: the copy engine, and the start and end of blocks. Switching orders nothing.
class Agent {
 public:
  Agent();
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;
  void enter();
  void leave();

 private:
  [[maybe_unused]] void* fiber_ = nullptr;
  [[maybe_unused]] void* outside_ = nullptr;
};

/// Acts as an agent while it lives.
class AsAgent {
 public:
  explicit AsAgent(Agent& agent) : agent_(agent) { agent_.enter(); }
  ~AsAgent() { agent_.leave(); }
  AsAgent(const AsAgent&) = delete;
  AsAgent& operator=(const AsAgent&) = delete;

 private:
  Agent& agent_;
};

}  // namespace simt::detail
