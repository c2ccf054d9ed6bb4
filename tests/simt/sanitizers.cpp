#include "simt/sanitizers.hpp"

#include <cstdio>
#include <string>

#include "simt/sanitizer_runtime.hpp"

namespace simt::detail {

#ifdef SIMT_TSAN
namespace {

// What is called reads is writes as well: TSan has one switch for both.
void ignore_begin() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
void ignore_end() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }

/// The instruction whose access TSan is being told of: its stack trace ends in the emulator, so the report is given the kernel's line.
struct Noted {
  const char* what = nullptr;
  Where where;
};
thread_local Noted noted;
}  // namespace

extern "C" void __tsan_on_report(void*) {
  if (noted.what != nullptr) std::fprintf(stderr, "SIMT: this is %s at %s:%u\n", noted.what, noted.where.file, noted.where.line);
}

Quiet::Quiet() { ignore_begin(); }
Quiet::~Quiet() { ignore_end(); }

void note_read(const void* p, std::size_t n, const char* what, Where where) {
  noted = {what, where};
  ignore_end();
  __tsan_read_range(const_cast<void*>(p), n);
  ignore_begin();
  noted = {};
}
void note_write(const void* p, std::size_t n, const char* what, Where where) {
  noted = {what, where};
  ignore_end();
  __tsan_write_range(const_cast<void*>(p), n);
  ignore_begin();
  noted = {};
}
void release(const void* sync) { __tsan_release(const_cast<void*>(sync)); }
void acquire(const void* sync) { __tsan_acquire(const_cast<void*>(sync)); }

Agent::Agent() : fiber_(__tsan_create_fiber(0)) {}
Agent::~Agent() { __tsan_destroy_fiber(fiber_); }
void Agent::enter() {
  outside_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(fiber_, no_order);
}
void Agent::leave() { __tsan_switch_to_fiber(outside_, no_order); }

#else

Quiet::Quiet() = default;
Quiet::~Quiet() {}  // NOLINT: not trivial, so that a Quiet is never an unused variable
void release(const void*) {}
void acquire(const void*) {}
Agent::Agent() = default;
Agent::~Agent() {}  // NOLINT
void Agent::enter() {}
void Agent::leave() {}

#ifdef SIMT_ASAN
namespace {
void expect_live(const void* p, std::size_t n, const char* what, const char* access, Where where) {
  const auto* bad = static_cast<const std::byte*>(n == 0 ? nullptr : __asan_region_is_poisoned(const_cast<void*>(p), n));
  if (bad != nullptr)
    throw Fault(std::string(what) + access + std::to_string(n) + " bytes, of which the one at offset " +
                std::to_string(bad - static_cast<const std::byte*>(p)) + " is in no live object, at " + where.file + ":" +
                std::to_string(where.line));
}
}  // namespace
void note_read(const void* p, std::size_t n, const char* what, Where where) { expect_live(p, n, what, " reads ", where); }
void note_write(const void* p, std::size_t n, const char* what, Where where) { expect_live(p, n, what, " writes ", where); }
#else
void note_read(const void*, std::size_t, const char*, Where) {}
void note_write(const void*, std::size_t, const char*, Where) {}
#endif
#endif

}  // namespace simt::detail
