// What CUDA gives a kernel without any header: qualifiers, threadIdx and its kin, barriers, shuffles, votes, atomics, bit counts.
// Include this instead of cuda_runtime.h; the instructions that need inline PTX are in isa.hpp.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "simt/atomics.hpp"
#include "simt/index.hpp"
#include "simt/where.hpp"

#undef __device__
#undef __host__
#undef __global__
#undef __forceinline__
#undef __launch_bounds__
#undef __grid_constant__
#define __device__
#define __host__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

extern constinit thread_local uint3 threadIdx, blockIdx;
extern constinit thread_local dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

namespace simt::detail {

inline constexpr int whole_block = 0;
void block_barrier(int id, int threads, bool waits, const char* instruction, Where where);
void syncwarp(unsigned mask, Where where);

enum class Shuffle : std::uint8_t { index, exclusive_or, down, up };
struct ShuffleLanes {
  int argument, width;
};
std::uint64_t shuffle(Shuffle kind, unsigned mask, std::uint64_t value, ShuffleLanes lanes, Where where);
unsigned ballot(unsigned mask, bool predicate, const char* name, Where where);
unsigned match_any(unsigned mask, std::uint64_t value, const char* name, Where where);
void exchange_all(unsigned mask, std::uint64_t value, std::array<std::uint64_t, 32>& values, const char* name, Where where);
void spin(const char* instruction, Where where);

template <class T>
T shuffle(Shuffle kind, unsigned mask, T value, ShuffleLanes lanes, Where where) {
  return from_raw<T>(shuffle(kind, mask, to_raw(value), lanes, where));
}

template <class T, class Op>
T reduce(unsigned mask, T value, Op op, const char* name, Where where) {
  std::array<std::uint64_t, 32> values{};
  exchange_all(mask, to_raw(value), values, name, where);
  bool first = true;
  T result{};
  for (std::size_t i = 0; i < 32; ++i)
    if ((mask >> i & 1u) != 0) {
      const T other = from_raw<T>(values[i]);
      result = first ? other : op(result, other);
      first = false;
    }
  return result;
}

}  // namespace simt::detail

using SimtWhere = simt::Where;

inline void __syncthreads(SimtWhere at = SimtWhere::here()) {
  simt::detail::block_barrier(0, simt::detail::whole_block, true, "__syncthreads", at);
}
inline void __syncwarp(unsigned mask = 0xffffffffu, SimtWhere at = SimtWhere::here()) { simt::detail::syncwarp(mask, at); }
inline void __threadfence() { simt::detail::fence(); }
inline void __threadfence_block() { simt::detail::fence(); }
inline void __nanosleep(unsigned, SimtWhere at = SimtWhere::here()) { simt::detail::spin("__nanosleep", at); }

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32, SimtWhere at = SimtWhere::here()) {
  return simt::detail::shuffle(simt::detail::Shuffle::index, mask, value, {lane, width}, at);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, SimtWhere at = SimtWhere::here()) {
  return simt::detail::shuffle(simt::detail::Shuffle::exclusive_or, mask, value, {lanes, width}, at);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, SimtWhere at = SimtWhere::here()) {
  return simt::detail::shuffle(simt::detail::Shuffle::down, mask, value, {static_cast<int>(delta), width}, at);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, SimtWhere at = SimtWhere::here()) {
  return simt::detail::shuffle(simt::detail::Shuffle::up, mask, value, {static_cast<int>(delta), width}, at);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, SimtWhere at = SimtWhere::here()) {
  return simt::detail::ballot(mask, predicate != 0, "__ballot_sync", at);
}
inline int __any_sync(unsigned mask, int predicate, SimtWhere at = SimtWhere::here()) {
  return simt::detail::ballot(mask, predicate != 0, "__any_sync", at) != 0;
}
inline int __all_sync(unsigned mask, int predicate, SimtWhere at = SimtWhere::here()) {
  return simt::detail::ballot(mask, predicate != 0, "__all_sync", at) == mask;
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value, SimtWhere at = SimtWhere::here()) {
  return simt::detail::match_any(mask, simt::detail::to_raw(value), "__match_any_sync", at);
}
template <class T>
unsigned __match_all_sync(unsigned mask, T value, int* all_equal, SimtWhere at = SimtWhere::here()) {
  *all_equal = simt::detail::match_any(mask, simt::detail::to_raw(value), "__match_all_sync", at) == mask;
  return *all_equal ? mask : 0u;
}

template <class T>
T __reduce_add_sync(unsigned mask, T value, SimtWhere at = SimtWhere::here()) {
  constexpr auto add = [](T a, T b) { return static_cast<T>(static_cast<unsigned>(a) + static_cast<unsigned>(b)); };
  return simt::detail::reduce(mask, value, add, "__reduce_add_sync", at);
}
template <class T>
T __reduce_max_sync(unsigned mask, T value, SimtWhere at = SimtWhere::here()) {
  return simt::detail::reduce(
      mask, value, [](T a, T b) { return a < b ? b : a; }, "__reduce_max_sync", at);
}
template <class T>
T __reduce_min_sync(unsigned mask, T value, SimtWhere at = SimtWhere::here()) {
  return simt::detail::reduce(
      mask, value, [](T a, T b) { return b < a ? b : a; }, "__reduce_min_sync", at);
}

template <class T>
T atomicAdd(T* p, T value, SimtWhere at = SimtWhere::here()) {
  constexpr auto add = [](T a, T b) {
    if constexpr (std::is_same_v<T, int>)
      return static_cast<int>(static_cast<unsigned>(a) + static_cast<unsigned>(b));
    else
      return a + b;
  };
  return simt::atomic("atomicAdd", p, value, add, simt::Memory::relaxed, at);
}
template <class T>
T atomicMax(T* p, T value, SimtWhere at = SimtWhere::here()) {
  return simt::atomic(
      "atomicMax", p, value, [](T a, T b) { return a < b ? b : a; }, simt::Memory::relaxed, at);
}
template <class T>
T atomicMin(T* p, T value, SimtWhere at = SimtWhere::here()) {
  return simt::atomic(
      "atomicMin", p, value, [](T a, T b) { return b < a ? b : a; }, simt::Memory::relaxed, at);
}
template <class T>
T atomicExch(T* p, T value, SimtWhere at = SimtWhere::here()) {
  return simt::atomic(
      "atomicExch", p, value, [](T, T b) { return b; }, simt::Memory::relaxed, at);
}
template <class T>
T atomicCAS(T* p, T compare, T value, SimtWhere at = SimtWhere::here()) {
  return simt::atomic_cas(p, compare, value, simt::Memory::relaxed, at);
}

template <class T>
T __ldg(const T* p) {
  return *p;
}
inline int __popc(unsigned value) { return std::popcount(value); }
inline int __clz(int value) { return std::countl_zero(static_cast<unsigned>(value)); }
inline int __ffs(int value) { return value == 0 ? 0 : std::countr_zero(static_cast<unsigned>(value)) + 1; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline float __uint_as_float(unsigned value) { return std::bit_cast<float>(value); }
inline int __float_as_int(float value) { return std::bit_cast<int>(value); }
inline float __int_as_float(int value) { return std::bit_cast<float>(value); }
inline int __float2int_rn(float value) {
  if (!(std::fabs(value) < 0x1p31f)) return value >= 0x1p31f ? 0x7fffffff : value <= -0x1p31f ? -0x7fffffff - 1 : 0;  // NaN becomes 0
  return static_cast<int>(std::nearbyint(value));
}
inline float rsqrtf(float value) { return 1.0f / std::sqrt(value); }
inline float __frcp_rn(float value) { return 1.0f / value; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float value) { return std::exp(value); }

/// Byte i of the result is byte (selector >> 4i & 7) of the eight bytes b:a, a's first.
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
  const std::uint64_t bytes = static_cast<std::uint64_t>(b) << 32 | a;
  unsigned result = 0;
  for (unsigned i = 0; i < 4; ++i) result |= static_cast<unsigned>(bytes >> 8 * (selector >> 4 * i & 7u) & 0xffu) << 8 * i;
  return result;
}
/// c + the products of four bytes each.
inline int __dp4a(int a, int b, int c) {
  auto sum = static_cast<unsigned>(c);
  for (int shift = 0; shift < 32; shift += 8)
    sum += static_cast<unsigned>(static_cast<std::int8_t>(a >> shift) * static_cast<std::int8_t>(b >> shift));
  return static_cast<int>(sum);
}
inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
  for (unsigned shift = 0; shift < 32; shift += 8) c += (a >> shift & 0xffu) * (b >> shift & 0xffu);
  return c;
}
