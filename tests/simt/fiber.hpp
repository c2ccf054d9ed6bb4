// A stack of its own for one thread of a kernel. Only the thread's side and its owner take turns; who runs next is scheduler.hpp's
// business.
#pragma once

#include <cstddef>

namespace simt::detail {

/// Runs `entry(argument)` on its own guarded stack. Sanitizers know of every switch; TSan takes each fiber for a thread of its own.
class Fiber {
 public:
  using Entry = void (*)(void* argument);

  explicit Fiber(std::size_t stack_bytes);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Prepares a run, which begins at the next resume(). An earlier run must have ended. `entry` must not throw.
  void start(Entry entry, void* argument);
  /// Owner: runs the fiber until it suspends or ends.
  void resume();
  /// Fiber: gives control back to the owner, until the next resume().
  void suspend();
  bool ended() const { return ended_; }

  /// TSan: lets the fiber's next run see what was released at `sync`, or releases all that its last run did. Call while it is not running.
  void acquire(const void* sync);
  void release(const void* sync);

 private:
  struct Context;  // what a switch saves, which depends on the machine
  static void main(Fiber* self);
  void enter_stack();               // sanitizers: control has arrived on the fiber's stack
  void leave_stack(bool for_ever);  // and is about to leave it

  Context* context_ = nullptr;
  std::byte* stack_ = nullptr;  // above a guard page
  std::size_t stack_bytes_ = 0;
  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  bool ended_ = true;
  void* tsan_ = nullptr;  // TSan's name for this fiber, and for its owner
  void* owner_tsan_ = nullptr;
  void* fake_stack_ = nullptr;  // ASan's, of this fiber and of its owner
  void* owner_fake_stack_ = nullptr;
  const void* owner_stack_ = nullptr;
  std::size_t owner_stack_bytes_ = 0;
};

}  // namespace simt::detail
