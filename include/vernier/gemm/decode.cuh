// From codes in shared memory to operands of tensor cores. Each decoder loads a lane's share of a row tile (layout/mma_tile.hpp) and turns
// eight codes of a row into four pairs of f16 or bf16 with as few instructions as it can; a constant factor may be left out, and is
// `unit`, for the scale.
#pragma once

#include <cstdint>
#include <type_traits>

#include "vernier/cuda/isa.cuh"
#include "vernier/layout/mma_tile.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/nf4.hpp"
#include "vernier/types/precision.hpp"

namespace vernier::cuda {

namespace detail {

/// Bytes of f(code) for even (Odd = 0) or odd nf4 codes 2i + Odd, i from 4 Word on: half of a table of eight, as prmt takes it.
template <class F>
constexpr std::uint32_t nf4_bytes(int odd, int word, F f) {
  std::uint32_t bytes = 0;
  for (int i = 0; i < 4; ++i) bytes |= static_cast<std::uint32_t>(f(8 * word + 2 * i + odd) & 0xff) << 8 * i;
  return bytes;
}

/// 127 times a value of nf4, rounded, plus 127: 0 to 254, of which the upper half are the positive ones.
constexpr int nf4_step(int code) {
  const float scaled = 127.0f * nf4::values[static_cast<std::size_t>(code)];
  return 127 + static_cast<int>(scaled + (scaled < 0 ? -0.5f : 0.5f));
}
/// What an even code's look-up leaves in an odd one's, see Nf4Steps.
constexpr int nf4_odd_step(int code) { return nf4_step(code) ^ (nf4_step(code - 1) >= 128 ? 0xff : 0); }
constexpr int nf4_half(int code) { return f16::encode(nf4::values[static_cast<std::size_t>(code)]).bits; }
constexpr int nf4_high(int code) { return nf4_half(code) >> 8; }

/// Half the bits of `number` in each half of a register, which an exponent of 2^10 makes 1024 + number.
inline constexpr std::uint32_t f16_1024 = 0x64646464u;

}  // namespace detail

/// nf4 in steps of 1/127. Thirteen integer and four f16 instructions for eight codes.
///
/// prmt looks up four bytes at once in a table of eight, by three bits of a nibble; where the fourth bit is set it gives the sign of the
/// byte, eight times. A nibble here is a code rotated right, so that the fourth bit is set for odd codes: the table of even codes gives
/// their bytes and, for odd codes, 0x00 or 0xff as the sign of the neighbour says; the table of odd codes, looked up with the fourth bits
/// inverted, the reverse. Neighbours have one sign, so that exclusive or joins both, if the odd table holds the 0xff already.
class Nf4Steps {
 public:
  static constexpr float unit = 1.0f / 127.0f;

  __device__ Nf4Steps() : even_{in_register(even0), in_register(even1)}, odd_{in_register(odd0), in_register(odd1)} {}

  __device__ __forceinline__ void decode(std::uint32_t codes, std::uint32_t (&pairs)[4]) const {
    constexpr std::uint32_t offset = 0x647f647fu;  // 1024 + 127, twice
    const std::uint32_t inverted = codes ^ 0x88888888u;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const std::uint32_t steps = prmt(even_[0], even_[1], codes >> 16 * half) ^ prmt(odd_[0], odd_[1], inverted >> 16 * half);
      pairs[2 * half] = sub_f16x2(prmt(steps, detail::f16_1024, 0x4140), offset);
      pairs[2 * half + 1] = sub_f16x2(prmt(steps, detail::f16_1024, 0x4342), offset);
    }
  }

 private:
  static constexpr std::uint32_t even0 = detail::nf4_bytes(0, 0, detail::nf4_step), even1 = detail::nf4_bytes(0, 1, detail::nf4_step);
  static constexpr std::uint32_t odd0 = detail::nf4_bytes(1, 0, detail::nf4_odd_step), odd1 = detail::nf4_bytes(1, 1, detail::nf4_odd_step);
  std::uint32_t even_[2], odd_[2];
};

/// nf4 rounded once, to f16: both bytes of a value are looked up among even and among odd codes, and chosen by a third prmt. Twenty-one
/// integer instructions for eight codes.
class Nf4Halves {
 public:
  static constexpr float unit = 1.0f;

  __device__ Nf4Halves()
      : even_{in_register(low00), in_register(low01), in_register(high00), in_register(high01)},
        odd_{in_register(low10), in_register(low11), in_register(high10), in_register(high11)} {}

  __device__ __forceinline__ void decode(std::uint32_t codes, std::uint32_t (&pairs)[4]) const {
    constexpr int and_or = (0xf0 & 0xcc) | 0xaa;
    const std::uint32_t places = codes & 0x77777777u, choices = lop3<and_or>(codes >> 1, 0x44444444u, 0x32103210u);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const std::uint32_t place = places >> 16 * half, choice = choices >> 16 * half;
      const std::uint32_t low = prmt(prmt(even_[0], even_[1], place), prmt(odd_[0], odd_[1], place), choice);
      const std::uint32_t high = prmt(prmt(even_[2], even_[3], place), prmt(odd_[2], odd_[3], place), choice);
      pairs[2 * half] = prmt(low, high, 0x5140);
      pairs[2 * half + 1] = prmt(low, high, 0x7362);
    }
  }

 private:
  static constexpr std::uint32_t low00 = detail::nf4_bytes(0, 0, detail::nf4_half), low01 = detail::nf4_bytes(0, 1, detail::nf4_half);
  static constexpr std::uint32_t low10 = detail::nf4_bytes(1, 0, detail::nf4_half), low11 = detail::nf4_bytes(1, 1, detail::nf4_half);
  static constexpr std::uint32_t high00 = detail::nf4_bytes(0, 0, detail::nf4_high), high01 = detail::nf4_bytes(0, 1, detail::nf4_high);
  static constexpr std::uint32_t high10 = detail::nf4_bytes(1, 0, detail::nf4_high), high11 = detail::nf4_bytes(1, 1, detail::nf4_high);
  std::uint32_t even_[4], odd_[4];  // low bytes, then high bytes
};

/// 8-bit codes.
template <Precision P>
struct EightBits;

/// 1024 + 128 + code, less 1152: one exclusive or for four, and a prmt and a subtraction for two.
template <>
struct EightBits<Precision::i8> {
  static constexpr float unit = 1.0f;
  /// Four codes to two pairs.
  __device__ __forceinline__ static void decode(std::uint32_t codes, std::uint32_t& first, std::uint32_t& second) {
    constexpr std::uint32_t offset = 0x64806480u;  // 1152, twice
    const std::uint32_t positive = codes ^ 0x80808080u;
    first = sub_f16x2(prmt(positive, detail::f16_1024, 0x4140), offset);
    second = sub_f16x2(prmt(positive, detail::f16_1024, 0x4342), offset);
  }
};

/// e5m2 is the upper byte of f16.
template <>
struct EightBits<Precision::e5m2> {
  static constexpr float unit = 1.0f;
  __device__ __forceinline__ static void decode(std::uint32_t codes, std::uint32_t& first, std::uint32_t& second) {
    first = prmt(codes, 0, 0x1404);
    second = prmt(codes, 0, 0x3424);
  }
};

/// e4m3 with its exponent in the place of an f16's is 2^-8 of the value, subnormal or not. (NaN is not: there the scale is NaN.)
template <>
struct EightBits<Precision::e4m3> {
  static constexpr float unit = 256.0f;
  __device__ __forceinline__ static void decode(std::uint32_t codes, std::uint32_t& first, std::uint32_t& second) {
    first = half(prmt(codes, 0, 0x1404));
    second = half(prmt(codes, 0, 0x3424));
  }
  __device__ __forceinline__ static std::uint32_t half(std::uint32_t upper_bytes) {
    constexpr int and_or = (0xf0 & 0xcc) | 0xaa;
    return lop3<and_or>(upper_bytes, 0x80008000u, (upper_bytes & 0x7f007f00u) >> 1);
  }
};

/// 16-bit codes are what they stand for.
struct SixteenBits {
  static constexpr float unit = 1.0f;
};

namespace detail {

template <Precision P, bool ExactNf4>
constexpr auto decoder_of() {
  if constexpr (P == Precision::nf4)
    return std::type_identity<std::conditional_t<ExactNf4, Nf4Halves, Nf4Steps>>{};
  else if constexpr (bits(P) == 8)
    return std::type_identity<EightBits<P>>{};
  else
    return std::type_identity<SixteenBits>{};
}

}  // namespace detail

/// What decodes weights of one precision; kernels keep one.
template <Precision P, bool ExactNf4 = false>
using WeightDecoder = typename decltype(detail::decoder_of<P, ExactNf4>())::type;

/// A lane's share of a row tile of weights.
template <Precision P, bool ExactNf4 = false>
class WeightTile {
 public:
  using Decoder = WeightDecoder<P, ExactNf4>;

  /// Loads what columns 32 j on need. `tile` lies in shared memory.
  __device__ __forceinline__ void load(const unsigned char* tile, int lane, int j) {
    const unsigned char* mine = tile + lane * MmaTile::lane_bytes;
    if constexpr (bits(P) == 4) {
      if (j == 0) ld_shared(words_[0], mine);  // and those of j = 1
    } else if constexpr (bits(P) == 8) {
      ld_shared(words_[0], mine + j * MmaTile::chunk_bytes);
    } else {
      ld_shared(words_[0], mine + 2 * j * MmaTile::chunk_bytes);
      ld_shared(words_[1], mine + (2 * j + 1) * MmaTile::chunk_bytes);
    }
  }

  /// The A operands of the two k16 products of columns 32 j on.
  __device__ __forceinline__ void operands(const Decoder& decoder, int j, std::uint32_t (&a)[2][4]) const {
    if constexpr (bits(P) == 16) {
#pragma unroll
      for (int i = 0; i < 8; ++i) a[i / 4][i % 4] = words_[i / 4][i % 4];
    } else {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        std::uint32_t pairs[4];
        decode(decoder, j, h, pairs);
#pragma unroll
        for (int i = 0; i < 4; ++i) a[i / 2][h + i % 2 * 2] = pairs[i];
      }
    }
  }

  /// The A operand of the one product of 8-bit operands.
  __device__ __forceinline__ void operand8(std::uint32_t (&a)[4]) const {
    static_assert(bits(P) == 8, "vernier::cuda::WeightTile: only 8-bit codes are operands as they are");
#pragma unroll
    for (int i = 0; i < 4; ++i) a[i] = words_[0][i];
  }

 private:
  /// Row g + 8 h.
  __device__ __forceinline__ void decode(const Decoder& decoder, int j, int h, std::uint32_t (&pairs)[4]) const {
    if constexpr (bits(P) == 8) {
      decoder.decode(words_[0][h], pairs[0], pairs[1]);
      decoder.decode(words_[0][2 + h], pairs[2], pairs[3]);
    } else {
      decoder.decode(words_[0][2 * j + h], pairs);
    }
  }

  std::uint32_t words_[bits(P) == 16 ? 2 : 1][4];
};

}  // namespace vernier::cuda
