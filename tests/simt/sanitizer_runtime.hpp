// What the emulator calls of the sanitizers' runtimes. Their own headers declare some of it, and not with every compiler.
#pragma once

#include <cstddef>

extern "C" {
#ifdef SIMT_TSAN
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* sync);
void __tsan_release(void* sync);
void __tsan_read_range(void* p, unsigned long n);
void __tsan_write_range(void* p, unsigned long n);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
#endif
#ifdef SIMT_ASAN
void __sanitizer_start_switch_fiber(void** fake_stack_save, const void* bottom, std::size_t size);
void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom_old, std::size_t* size_old);
void __asan_poison_memory_region(const volatile void* p, std::size_t n);
void __asan_unpoison_memory_region(const volatile void* p, std::size_t n);
void* __asan_region_is_poisoned(void* p, std::size_t n);
#endif
}

namespace simt::detail {

/// For __tsan_switch_to_fiber: a switch alone synchronises nothing.
[[maybe_unused]] inline constexpr unsigned no_order = 1;

}  // namespace simt::detail
