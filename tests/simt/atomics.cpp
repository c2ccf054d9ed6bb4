// Atomic reads, writes and read-modify-writes, with their memory orders for TSan. One OS thread runs all of a launch, so that plain
// accesses are atomic; under TSan its own entry points are called, which know the orders and report a mix of plain and atomic accesses.
#include "simt/atomics.hpp"

#include <cstring>

#include "simt/scheduler.hpp"

#ifdef SIMT_TSAN
extern "C" {
int __tsan_atomic32_load(const volatile int* p, int order);
long long __tsan_atomic64_load(const volatile long long* p, int order);
int __tsan_atomic32_exchange(volatile int* p, int value, int order);
long long __tsan_atomic64_exchange(volatile long long* p, long long value, int order);
void __tsan_atomic32_store(volatile int* p, int value, int order);
void __tsan_atomic64_store(volatile long long* p, long long value, int order);
}
#endif

namespace simt::detail {

namespace {

void check(const void* p, std::size_t bytes, const char* instruction, Where where) {
  if (reinterpret_cast<std::uintptr_t>(p) % bytes != 0)
    fault(std::string(instruction) + ": the address is not a multiple of " + std::to_string(bytes), where);
#ifdef SIMT_ASAN
  const Quiet quiet;
  note_write(p, bytes, instruction, where);
#endif
}

std::uint64_t load(const void* p, std::size_t bytes, [[maybe_unused]] int order) {
#ifdef SIMT_TSAN
  if (bytes == 4) return static_cast<std::uint32_t>(__tsan_atomic32_load(static_cast<const volatile int*>(p), order));
  return static_cast<std::uint64_t>(__tsan_atomic64_load(static_cast<const volatile long long*>(p), order));
#else
  std::uint64_t value = 0;
  std::memcpy(&value, p, bytes);
  return value;
#endif
}

void store(void* p, std::uint64_t value, std::size_t bytes, [[maybe_unused]] int order) {
#ifdef SIMT_TSAN
  if (bytes == 4) return __tsan_atomic32_store(static_cast<volatile int*>(p), static_cast<int>(value), order);
  __tsan_atomic64_store(static_cast<volatile long long*>(p), static_cast<long long>(value), order);
#else
  std::memcpy(p, &value, bytes);
#endif
}

void exchange(void* p, std::uint64_t value, std::size_t bytes, [[maybe_unused]] int order) {
#ifdef SIMT_TSAN
  if (bytes == 4)
    (void)__tsan_atomic32_exchange(static_cast<volatile int*>(p), static_cast<int>(value), order);
  else
    (void)__tsan_atomic64_exchange(static_cast<volatile long long*>(p), static_cast<long long>(value), order);
#else
  store(p, value, bytes, order);
#endif
}

constexpr int relaxed = __ATOMIC_RELAXED;

// A fence makes the relaxed accesses before it acquire and those behind it release. TSan knows no fences, so each thread remembers the
// last flags it has read, and whether it has fenced.
int read_order(Memory order) { return order == Memory::relaxed || order == Memory::release ? relaxed : __ATOMIC_ACQUIRE; }
int write_order(Memory order) { return order == Memory::release || order == Memory::acq_rel || self().fenced ? __ATOMIC_RELEASE : relaxed; }
int both(Memory order) {
  const bool acquires = read_order(order) != relaxed, releases = write_order(order) != relaxed;
  return acquires ? (releases ? __ATOMIC_ACQ_REL : __ATOMIC_ACQUIRE) : (releases ? __ATOMIC_RELEASE : relaxed);
}

void remember(const void* p) {
  auto& seen = self().flags_read;
  seen[self().next_flag++ % seen.size()] = p;
}

}  // namespace

std::uint64_t atomic_load(const void* p, std::size_t bytes, Memory order, Where where) {
  check(p, bytes, "ld", where);
  machine().yield("ld.acquire or ld.relaxed", where);  // whoever reads a flag gives way to whoever is to write it
  remember(p);
  return load(p, bytes, read_order(order));
}

void atomic_store(void* p, std::uint64_t value, std::size_t bytes, Memory order, Where where) {
  check(p, bytes, "st", where);
  store(p, value, bytes, write_order(order));
  machine().progress();
}

std::uint64_t atomic_update(void* p, const AtomicUpdate& update, Memory order, Where where) {
  Machine& m = machine();
  check(p, update.bytes, update.instruction, where);
  ++m.counters.atomics;
  if (m.options.order == Order::random && m.random() % 4 == 0) m.yield(update.instruction, where);
  const std::uint64_t before = load(p, update.bytes, relaxed);
  const std::uint64_t after = update.apply(before, update.operand, update.compare);
  exchange(p, after, update.bytes, both(order));
  remember(p);
  if (after != before)
    m.progress();
  else
    m.yield(update.instruction, where);  // it may be a lock that is taken
  return before;
}

void fence() {
  Lane& lane = self();
  lane.fenced = true;
  for (const void* flag : lane.flags_read)
    if (flag != nullptr) acquire(flag);
  lane.flags_read = {};
}

}  // namespace simt::detail
