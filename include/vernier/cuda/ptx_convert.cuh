// Conversions of pairs between 8-bit and wider floats, in one instruction each. sm_89. The first element of a pair is in the low bits.
#pragma once

#include <cstdint>

namespace vernier::cuda {

/// Two floats as fp8, rounded to nearest even; what is too large, infinity too, becomes the largest number, and NaN stays.
__device__ __forceinline__ std::uint16_t cvt_e4m3x2(float first, float second) {
  std::uint16_t d;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(d) : "f"(second), "f"(first));
  return d;
}
__device__ __forceinline__ std::uint16_t cvt_e5m2x2(float first, float second) {
  std::uint16_t d;
  asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(d) : "f"(second), "f"(first));
  return d;
}

/// The same of two halves.
__device__ __forceinline__ std::uint16_t cvt_e4m3x2_f16x2(std::uint32_t pair) {
  std::uint16_t d;
  asm("cvt.rn.satfinite.e4m3x2.f16x2 %0, %1;" : "=h"(d) : "r"(pair));
  return d;
}
__device__ __forceinline__ std::uint16_t cvt_e5m2x2_f16x2(std::uint32_t pair) {
  std::uint16_t d;
  asm("cvt.rn.satfinite.e5m2x2.f16x2 %0, %1;" : "=h"(d) : "r"(pair));
  return d;
}

/// Two fp8 numbers as halves, which hold them exactly.
__device__ __forceinline__ std::uint32_t cvt_f16x2_e4m3x2(std::uint16_t pair) {
  std::uint32_t d;
  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(d) : "h"(pair));
  return d;
}
__device__ __forceinline__ std::uint32_t cvt_f16x2_e5m2x2(std::uint16_t pair) {
  std::uint32_t d;
  asm("cvt.rn.f16x2.e5m2x2 %0, %1;" : "=r"(d) : "h"(pair));
  return d;
}

}  // namespace vernier::cuda
