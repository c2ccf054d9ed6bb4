// wgmma as the emulator has it: the functions of vernier/cuda/ptx_wgmma_sm90.cuh. isa.hpp includes this.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "simt/where.hpp"
#include "vernier/cuda/tensor.cuh"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/fp8.hpp"
#include "vernier/types/int8.hpp"

namespace simt::detail {

enum class WgmmaType : std::uint8_t { f16, bf16, e4m3, e5m2, i8 };
struct Wgmma {
  WgmmaType type;
  std::uint64_t a = 0, b = 0;                // descriptors; a = 0: in registers
  const std::uint32_t* registers = nullptr;  // of a, at the issue
  Where where{};
  void* sums = nullptr;                             // float or int
  std::array<std::array<std::byte, 32>, 2> rows{};  // of a: those of the thread's sums, if a is in registers
};
void wgmma(void* sums, int count, Wgmma op);
void wgmma_commit();
void wgmma_wait(int pending, Where where);

}  // namespace simt::detail

namespace vernier::cuda {

using simt::Where;
using simt::detail::WgmmaType;

std::uint32_t shared_address(const void* p, Where where);

inline std::uint64_t wgmma_descriptor(const void* shared, int group_bytes, Swizzle swizzle, int k_bytes = 16, Where where = Where::here()) {
  constexpr std::uint64_t field = 0x3fff;  // addresses and distances are in units of 16 bytes
  constexpr std::uint64_t modes[] = {0, 3, 2, 1};
  return (shared_address(shared, where) >> 4 & field) | (static_cast<std::uint64_t>(k_bytes) >> 4 & field) << 16 |
         (static_cast<std::uint64_t>(group_bytes) >> 4 & field) << 32 | modes[static_cast<int>(swizzle)] << 62;
}

inline void wgmma_fence() {}
inline void wgmma_commit() { simt::detail::wgmma_commit(); }
template <int Pending>
void wgmma_wait(Where where = Where::here()) {
  simt::detail::wgmma_wait(Pending, where);
}

namespace detail {

template <class T, class Sum, std::size_t Sums>
constexpr WgmmaType wgmma_type() {
  constexpr bool whole = std::is_same_v<T, i8>;
  static_assert(Sums == 4 || Sums == 8 || Sums == 16 || Sums == 32 || Sums == 48 || Sums == 64 || Sums == 96 || Sums == 128,
                "vernier::cuda::wgmma: n, twice the number of sums, must be 8, 16, 32, 64, 96, 128, 192 or 256");
  static_assert(std::is_same_v<Sum, std::conditional_t<whole, int, float>>, "vernier::cuda::wgmma: sums are float, those of i8 int");
  if constexpr (std::is_same_v<T, f16>) return WgmmaType::f16;
  if constexpr (std::is_same_v<T, bf16>) return WgmmaType::bf16;
  if constexpr (std::is_same_v<T, e4m3>) return WgmmaType::e4m3;
  if constexpr (std::is_same_v<T, e5m2>) return WgmmaType::e5m2;
  if constexpr (whole) return WgmmaType::i8;
}

}  // namespace detail

template <class T, class Sum, std::size_t Sums>
void wgmma(Sum (&d)[Sums], std::uint64_t a, std::uint64_t b, Where where = Where::here()) {
  simt::detail::wgmma(d, Sums, {.type = detail::wgmma_type<T, Sum, Sums>(), .a = a, .b = b, .where = where});
}
template <class T, class Sum, std::size_t Sums>
void wgmma(Sum (&d)[Sums], const std::uint32_t (&a)[4], std::uint64_t b, Where where = Where::here()) {
  simt::detail::wgmma(d, Sums, {.type = detail::wgmma_type<T, Sum, Sums>(), .b = b, .registers = a, .where = where});
}

}  // namespace vernier::cuda
