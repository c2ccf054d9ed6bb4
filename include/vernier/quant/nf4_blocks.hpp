// NF4 as bitsandbytes stores it: blocks over the flattened tensor, two codes a byte, the first in the high nibble.
// An exchange format, bit for bit; the kernels read PackedMatrix, whose codes and scales are the same where k is a multiple of 64.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vernier/core/error.hpp"
#include "vernier/quant/scales.hpp"
#include "vernier/types/nf4.hpp"

namespace vernier {

/// `count` weights in blocks of `block`; the last block may be short.
struct Nf4Blocks {
  std::vector<std::uint8_t> codes;  // (count + 1) / 2 bytes; an odd count is filled up with the zero code
  std::vector<float> absmax;        // one per block
  std::size_t count = 0;
  int block = nf4::block;
};

/// values: the weights in row-major order, whatever their shape; blocks run on across the ends of rows.
/// Whole blocks multiply by 1 / absmax, a short last one divides, and an all-zero short one has absmax 1e-38: so does bitsandbytes.
/// Throws Error unless block is a power of two from 32 to 4096, and for a value that is not finite, with its index.
inline Nf4Blocks quantize_nf4_blocks(std::span<const float> values, int block = nf4::block) {
  const bool power = block >= 32 && block <= 4096 && (block & (block - 1)) == 0;
  expect(power, "vernier::quantize_nf4_blocks", "block = ", block, ", expected a power of two from 32 to 4096");
  const std::size_t count = values.size(), width = static_cast<std::size_t>(block);
  Nf4Blocks out{.codes = std::vector<std::uint8_t>((count + 1) / 2), .absmax = {}, .count = count, .block = block};
  if (count % 2 != 0) out.codes.back() = nf4::zero_code;  // its high nibble is filled below
  for (std::size_t first = 0; first < count; first += width) {
    const std::size_t end = std::min(count, first + width);
    const bool whole = end - first == width;
    float most = 0;
    for (std::size_t i = first; i < end; ++i) {
      expect(std::isfinite(values[i]), "vernier::quantize_nf4_blocks", "values[", i, "] = ", values[i], ", expected a finite number");
      most = std::max(most, std::abs(values[i]));
    }
    if (!whole) most = std::max(most, nf4_least_absmax);
    out.absmax.push_back(most);
    const float inverse = nf4_inverse(most);
    for (std::size_t i = first; i < end; ++i) {
      const unsigned code = nf4::encode(whole ? values[i] * inverse : values[i] / most).bits;
      out.codes[i / 2] = static_cast<std::uint8_t>(out.codes[i / 2] | (i % 2 == 0 ? code << 4 : code));
    }
  }
  return out;
}

/// out[i] = value of code i times the absmax of its block. Throws Error when the parts do not fit together or out is not `count` long.
inline void dequantize_nf4_blocks(const Nf4Blocks& in, std::span<float> out) {
  const std::size_t width = static_cast<std::size_t>(in.block);
  const bool fits = in.block > 0 && in.codes.size() == (in.count + 1) / 2 && in.absmax.size() == (in.count + width - 1) / width;
  expect(fits, "vernier::dequantize_nf4_blocks", in.codes.size(), " bytes of codes and ", in.absmax.size(), " absmax for ", in.count,
         " values in blocks of ", in.block);
  expect(out.size() == in.count, "vernier::dequantize_nf4_blocks", out.size(), " places for ", in.count, " values");
  for (std::size_t i = 0; i < in.count; ++i) {
    const unsigned code = i % 2 == 0 ? in.codes[i / 2] >> 4 : in.codes[i / 2] & 15u;
    out[i] = nf4{static_cast<std::uint8_t>(code)}.decode() * in.absmax[i / width];
  }
}

}  // namespace vernier
