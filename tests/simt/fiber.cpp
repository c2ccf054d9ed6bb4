#include "simt/fiber.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <new>
#include <stdexcept>

#include "simt/sanitizer_runtime.hpp"

// Twenty instructions on x86-64; elsewhere, or with SIMT_UCONTEXT, swapcontext, which costs a system call a switch.
#if !defined(__x86_64__) && !defined(SIMT_UCONTEXT)
#define SIMT_UCONTEXT
#endif
#ifdef SIMT_UCONTEXT
#include <ucontext.h>
#endif

namespace simt::detail {

namespace {
constexpr std::size_t page = 4096;
}  // namespace

#ifdef SIMT_UCONTEXT

struct Fiber::Context {
  ucontext_t fiber, owner;
};

#else

struct Fiber::Context {
  void* fiber = nullptr;  // stack pointers
  void* owner = nullptr;
};

// System V: pushes what a callee must keep, swaps stacks, pops what the other side pushed.
extern "C" void simt_switch_stack(void** save, void* load);
asm(R"(
.text
.globl simt_switch_stack
.type simt_switch_stack,@function
simt_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size simt_switch_stack,.-simt_switch_stack
)");

#endif

namespace {
thread_local Fiber* starting = nullptr;  // the fiber whose first resume() is under way
}

Fiber::Fiber(std::size_t stack_bytes) : context_(new Context), stack_bytes_((stack_bytes + page - 1) / page * page) {
  void* p = mmap(nullptr, stack_bytes_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    delete context_;
    throw std::bad_alloc();
  }
  (void)mprotect(p, page, PROT_NONE);  // an overflow is a crash, not a change of another stack
  stack_ = static_cast<std::byte*>(p) + page;
#ifdef SIMT_TSAN
  tsan_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
#ifdef SIMT_TSAN
  __tsan_destroy_fiber(tsan_);
#endif
  munmap(stack_ - page, stack_bytes_ + page);
  delete context_;
}

void Fiber::start(Entry entry, void* argument) {
  entry_ = entry;
  argument_ = argument;
  ended_ = false;
  fake_stack_ = nullptr;
#ifdef SIMT_ASAN
  __asan_unpoison_memory_region(stack_, stack_bytes_);
#endif
  constexpr auto begin = [] { main(starting); };
#ifdef SIMT_UCONTEXT
  getcontext(&context_->fiber);
  context_->fiber.uc_stack.ss_sp = stack_;
  context_->fiber.uc_stack.ss_size = stack_bytes_;
  context_->fiber.uc_link = nullptr;
  makecontext(&context_->fiber, static_cast<void (*)()>(begin), 0);
#else
  auto* top = reinterpret_cast<void**>(stack_ + stack_bytes_);
  *--top = nullptr;  // where a caller's return address would be: the first function finds its stack aligned as after a call
  *--top = reinterpret_cast<void*>(static_cast<void (*)()>(begin));
  for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
  context_->fiber = top;
#endif
}

void Fiber::resume() {
  starting = this;
#ifdef SIMT_TSAN
  owner_tsan_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_, no_order);
#endif
#ifdef SIMT_ASAN
  __sanitizer_start_switch_fiber(&owner_fake_stack_, stack_, stack_bytes_);
#endif
#ifdef SIMT_UCONTEXT
  swapcontext(&context_->owner, &context_->fiber);
#else
  simt_switch_stack(&context_->owner, context_->fiber);
#endif
#ifdef SIMT_ASAN
  __sanitizer_finish_switch_fiber(owner_fake_stack_, nullptr, nullptr);
#endif
}

void Fiber::suspend() {
  leave_stack(false);
#ifdef SIMT_UCONTEXT
  swapcontext(&context_->fiber, &context_->owner);
#else
  simt_switch_stack(&context_->fiber, context_->owner);
#endif
  enter_stack();
}

void Fiber::enter_stack() {
#ifdef SIMT_ASAN
  __sanitizer_finish_switch_fiber(fake_stack_, &owner_stack_, &owner_stack_bytes_);
#endif
}

void Fiber::leave_stack([[maybe_unused]] bool for_ever) {
#ifdef SIMT_TSAN
  __tsan_switch_to_fiber(owner_tsan_, no_order);
#endif
#ifdef SIMT_ASAN
  __sanitizer_start_switch_fiber(for_ever ? nullptr : &fake_stack_, owner_stack_, owner_stack_bytes_);
#endif
}

void Fiber::main(Fiber* self) {
  self->enter_stack();
  self->entry_(self->argument_);
  self->ended_ = true;
  self->leave_stack(true);
#ifdef SIMT_UCONTEXT
  setcontext(&self->context_->owner);
#else
  simt_switch_stack(&self->context_->fiber, self->context_->owner);
#endif
  __builtin_unreachable();
}

void Fiber::acquire([[maybe_unused]] const void* sync) {
#ifdef SIMT_TSAN
  void* outside = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_, no_order);
  __tsan_acquire(const_cast<void*>(sync));
  __tsan_switch_to_fiber(outside, no_order);
#endif
}

void Fiber::release([[maybe_unused]] const void* sync) {
#ifdef SIMT_TSAN
  void* outside = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_, no_order);
  __tsan_release(const_cast<void*>(sync));
  __tsan_switch_to_fiber(outside, no_order);
#endif
}

}  // namespace simt::detail
