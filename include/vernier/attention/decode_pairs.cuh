// From the codes that ldmatrix brings to operands of mma.m16n8k16. Nothing is shuffled: where codes have 8 bits, a 32-bit register holds
// four neighbours of a row (or two rows of two), and the even and the odd ones become a register of two 16-bit floats each. For keys this
// exchanges elements within a product, for which q is loaded in the same order; for values it exchanges columns of the result.
#pragma once

#include <cstdint>

#include "vernier/cuda/isa.cuh"
#include "vernier/types/precision.hpp"

namespace vernier::cuda {

/// What decode_pairs leaves out of a value: e4m3 becomes f16 by moving its bits, which makes it too small by the difference of the biases
/// of the exponents. Subnormals come out right, as f16 has them in the same places.
template <Precision P>
inline constexpr float code_unit = P == Precision::e4m3 ? 256.0f : 1.0f;

/// Four codes to their values as f16, exact: bytes 0 and 2 to `even`, 1 and 3 to `odd`. Operations for the four: i8 five, e4m3 seven, e5m2
/// two. The sign of i8 is moved into an offset, so that a byte is the low mantissa of 1024 + 128 + code.
template <Precision P>
__device__ __forceinline__ void decode_pairs(std::uint32_t codes, std::uint32_t& even, std::uint32_t& odd) {
  if constexpr (P == Precision::i8) {
    const std::uint32_t offset = codes ^ 0x80808080u;
    even = sub_f16x2(prmt(offset, 0x64646464u, 0x4240u), 0x64806480u);
    odd = sub_f16x2(prmt(offset, 0x64646464u, 0x4341u), 0x64806480u);
  } else if constexpr (P == Precision::e5m2) {
    even = prmt(codes, 0, 0x2404u);
    odd = codes & 0xff00ff00u;
  } else {
    static_assert(P == Precision::e4m3, "vernier::cuda::decode_pairs: no decoder for this precision; add one here");
    constexpr int sign_or_rest = (0xf0 & 0xcc) | 0xaa;
    const std::uint32_t lifted = codes << 8;
    even = lop3<sign_or_rest>(lifted, 0x80008000u, lifted >> 1 & 0x3f803f80u);
    odd = lop3<sign_or_rest>(codes, 0x80008000u, codes >> 1 & 0x3f803f80u);
  }
}

}  // namespace vernier::cuda
