// Values that are infinity or NaN, where some row of a tile does not see their key: nothing times infinity is not nothing. They may be a
// token's own, or what the last holder of a page left behind.
#pragma once

#include <cstdint>

#include "vernier/cuda/isa.cuh"
#include "vernier/types/precision.hpp"

namespace vernier::cuda {

/// Codes of i8 and e4m3 are finite. With those of e5m2 it is the scale that makes a value NaN, and so the weight; but codes can be NaN too.
template <Precision P>
inline constexpr bool has_not_finite = P == Precision::f16 || P == Precision::bf16 || P == Precision::e5m2;

/// Looks for them in words of codes: an exponent of ones carries into the sign.
template <Precision P>
class NotFiniteFinder {
 public:
  __device__ __forceinline__ void look(std::uint32_t codes) { carry_ |= (codes & exponents) + ones; }
  __device__ __forceinline__ bool found() const { return (carry_ & signs) != 0; }

 private:
  static constexpr bool wide = bits(P) == 16;
  static constexpr std::uint32_t exponents = P == Precision::bf16 ? 0x7f807f80u : wide ? 0x7c007c00u : 0x7c7c7c7cu;
  static constexpr std::uint32_t ones = P == Precision::bf16 ? 0x00800080u : wide ? 0x04000400u : 0x04040404u;
  static constexpr std::uint32_t signs = wide ? 0x80008000u : 0x80808080u;
  std::uint32_t carry_ = 0;
};

/// All ones in the halves of a pair of f16 (for P = bf16 of bf16) that are infinity or NaN.
template <Precision P>
__device__ __forceinline__ std::uint32_t not_finite(std::uint32_t pair) {
  constexpr std::uint32_t low = P == Precision::bf16 ? 0x7f80u : 0x7c00u, high = low << 16;
  return ((pair & low) == low ? 0xffffu : 0u) | ((pair & high) == high ? 0xffff0000u : 0u);
}

}  // namespace vernier::cuda
