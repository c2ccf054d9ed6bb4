// Atomic memory accesses as kernels see them: CUDA's atomicAdd and its kin, and what the instruction layer's ld, st, red and atom are made
// of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "simt/where.hpp"

namespace simt {

/// What an access orders, beside its own atomicity. As in the PTX ISA's memory model, at any scope.
enum class Memory : std::uint8_t { relaxed, acquire, release, acq_rel };

namespace detail {

/// after = apply(before, operand, compare), on the low `bytes` (4 or 8) of each.
struct AtomicUpdate {
  const char* instruction = "";
  std::size_t bytes = 4;
  std::uint64_t operand = 0, compare = 0;
  std::uint64_t (*apply)(std::uint64_t before, std::uint64_t operand, std::uint64_t compare) = nullptr;
};

std::uint64_t atomic_load(const void* p, std::size_t bytes, Memory order, Where where);
void atomic_store(void* p, std::uint64_t value, std::size_t bytes, Memory order, Where where);
std::uint64_t atomic_update(void* p, const AtomicUpdate& update, Memory order, Where where);
void fence();

template <class T>
std::uint64_t to_raw(T value) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "simt: atomics are of 4 or 8 bytes");
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}
template <class T>
T from_raw(std::uint64_t bits) {
  T value{};
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace detail

/// *p = Op{}(*p, operand); returns what *p was. Op is a captureless lambda over T.
template <class T, class Op>
T atomic(const char* instruction, T* p, T operand, Op, Memory order, Where where) {
  const auto apply = [](std::uint64_t before, std::uint64_t value, std::uint64_t) {
    return detail::to_raw<T>(Op{}(detail::from_raw<T>(before), detail::from_raw<T>(value)));
  };
  const detail::AtomicUpdate update{.instruction = instruction, .bytes = sizeof(T), .operand = detail::to_raw(operand), .apply = apply};
  return detail::from_raw<T>(detail::atomic_update(p, update, order, where));
}

/// If *p == compare, *p = value; returns what *p was.
template <class T>
T atomic_cas(T* p, T compare, T value, Memory order, Where where) {
  const auto apply = [](std::uint64_t before, std::uint64_t operand, std::uint64_t expected) {
    return before == expected ? operand : before;
  };
  const detail::AtomicUpdate update{
      .instruction = "atomicCAS", .bytes = sizeof(T), .operand = detail::to_raw(value), .compare = detail::to_raw(compare), .apply = apply};
  return detail::from_raw<T>(detail::atomic_update(p, update, order, where));
}

}  // namespace simt
