// Arithmetic on packed values: byte permutation and three-input logic, from which dequantisation is made, and pairs of 16-bit floats in one
// 32-bit register. The first element of a pair is in the low bits.
#pragma once

#include <cstdint>

namespace vernier::cuda {

/// Byte i of the result is byte (selector >> 4i & 7) of the eight bytes b:a, a's first.
__device__ __forceinline__ std::uint32_t prmt(std::uint32_t a, std::uint32_t b, std::uint32_t selector) {
  std::uint32_t d;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(selector));
  return d;
}

/// Any function of three bits, on 32 of them at once: Table is that function of 0xf0, 0xcc and 0xaa, e.g. (0xf0 & 0xcc) | 0xaa.
template <int Table>
__device__ __forceinline__ std::uint32_t lop3(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  static_assert(Table >= 0 && Table <= 255, "vernier::cuda::lop3: Table is a function of 0xf0, 0xcc and 0xaa, 0 to 255");
  std::uint32_t d;
  asm("lop3.b32 %0, %1, %2, %3, %4;" : "=r"(d) : "r"(a), "r"(b), "r"(c), "n"(Table));
  return d;
}

/// x, in a register for good: the compiler forgets that it is a constant, which it would move there again for each use. ptxas sees through
/// a move and through a shuffle, but not that the number of a thread has no more than ten bits.
__device__ __forceinline__ std::uint32_t in_register(std::uint32_t x) {
  std::uint32_t d;
  asm volatile("{\n.reg .b32 zero;\nmov.u32 zero, %%tid.x;\nshr.u32 zero, zero, 16;\nor.b32 %0, %1, zero;\n}" : "=r"(d) : "r"(x));
  return d;
}

/// a * b + c on two halves at once, rounded once.
__device__ __forceinline__ std::uint32_t fma_f16x2(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  std::uint32_t d;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}
__device__ __forceinline__ std::uint32_t mul_f16x2(std::uint32_t a, std::uint32_t b) {
  std::uint32_t d;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}
__device__ __forceinline__ std::uint32_t sub_f16x2(std::uint32_t a, std::uint32_t b) {
  std::uint32_t d;
  asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}
__device__ __forceinline__ std::uint32_t add_f16x2(std::uint32_t a, std::uint32_t b) {
  std::uint32_t d;
  asm("add.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}
/// The larger of each two; of a number and a NaN the number.
__device__ __forceinline__ std::uint32_t max_f16x2(std::uint32_t a, std::uint32_t b) {
  std::uint32_t d;
  asm("max.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}
__device__ __forceinline__ std::uint32_t fma_bf16x2(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  std::uint32_t d;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}

// bf16 has but this one before sm_90; multiplied by 1 or added to -0 it is as exact as the instruction that is not there.
__device__ __forceinline__ std::uint32_t mul_bf16x2(std::uint32_t a, std::uint32_t b) { return fma_bf16x2(a, b, 0x80008000u); }
__device__ __forceinline__ std::uint32_t add_bf16x2(std::uint32_t a, std::uint32_t b) { return fma_bf16x2(a, 0x3f803f80u, b); }
__device__ __forceinline__ std::uint32_t sub_bf16x2(std::uint32_t a, std::uint32_t b) { return fma_bf16x2(b, 0xbf80bf80u, a); }

/// Two floats, rounded to nearest even, as a pair.
__device__ __forceinline__ std::uint32_t cvt_f16x2(float first, float second) {
  std::uint32_t d;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(second), "f"(first));
  return d;
}
__device__ __forceinline__ std::uint32_t cvt_bf16x2(float first, float second) {
  std::uint32_t d;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(second), "f"(first));
  return d;
}

/// 1 / x to within one unit in the last place, 1 / sqrt(x) and log2(x) nearly so; subnormal numbers count as 0.
__device__ __forceinline__ float rcp_approx(float x) {
  float d;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(d) : "f"(x));
  return d;
}
__device__ __forceinline__ float rsqrt_approx(float x) {
  float d;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(d) : "f"(x));
  return d;
}
__device__ __forceinline__ float lg2_approx(float x) {
  float d;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(d) : "f"(x));
  return d;
}
/// 2^x to within two units in the last place; subnormal results become 0.
__device__ __forceinline__ float ex2_approx(float x) {
  float d;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(d) : "f"(x));
  return d;
}

}  // namespace vernier::cuda
