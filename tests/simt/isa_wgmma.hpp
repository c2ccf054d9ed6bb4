// wgmma as the emulator has it: the functions of vernier/cuda/ptx_wgmma_sm90.cuh. isa.hpp includes this.
#pragma once

#include <cstdint>

#include "simt/where.hpp"
#include "vernier/cuda/tensor.cuh"

namespace simt::detail {

enum class WgmmaType : std::uint8_t { f16, bf16, e4m3 };
struct Wgmma {
  WgmmaType type;
  std::uint64_t a, b;
  Where where;
  float* sums = nullptr;
};
void wgmma(float* sums, int count, Wgmma op);
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

inline void wgmma_m64n64k16_f16(float (&d)[32], std::uint64_t a, std::uint64_t b, Where where = Where::here()) {
  simt::detail::wgmma(d, 32, {WgmmaType::f16, a, b, where});
}
inline void wgmma_m64n64k16_bf16(float (&d)[32], std::uint64_t a, std::uint64_t b, Where where = Where::here()) {
  simt::detail::wgmma(d, 32, {WgmmaType::bf16, a, b, where});
}
inline void wgmma_m64n64k32_e4m3(float (&d)[32], std::uint64_t a, std::uint64_t b, Where where = Where::here()) {
  simt::detail::wgmma(d, 32, {WgmmaType::e4m3, a, b, where});
}
inline void wgmma_m64n128k16_f16(float (&d)[64], std::uint64_t a, std::uint64_t b, Where where = Where::here()) {
  simt::detail::wgmma(d, 64, {WgmmaType::f16, a, b, where});
}
inline void wgmma_m64n128k16_bf16(float (&d)[64], std::uint64_t a, std::uint64_t b, Where where = Where::here()) {
  simt::detail::wgmma(d, 64, {WgmmaType::bf16, a, b, where});
}
inline void wgmma_m64n128k32_e4m3(float (&d)[64], std::uint64_t a, std::uint64_t b, Where where = Where::here()) {
  simt::detail::wgmma(d, 64, {WgmmaType::e4m3, a, b, where});
}

}  // namespace vernier::cuda
