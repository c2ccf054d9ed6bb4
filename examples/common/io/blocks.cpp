// Plain floats and the blocks of 32 values. In all of the latter, value i < 16 sits in the low nibble of byte i and value i + 16 in
// its high nibble; scales come first, as binary16. Source: the GGUF specification and the layouts in ggml/src/ggml-common.h.
#include "common/io/blocks.hpp"

#include <bit>
#include <cstdint>
#include <cstring>

#include "vernier/core/error.hpp"
#include "vernier/core/macros.hpp"
#include "vernier/core/math.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vernier::io {

namespace {

float half_at(const std::byte* from) {
  f16 half;
  std::memcpy(&half.bits, from, sizeof half.bits);
  return half.decode();
}

int byte_at(const std::byte* from, int i) { return std::to_integer<int>(from[i]); }

// value(low, i) for the low nibble of byte i, value(high, i + 16) for the high one. From a copy, which `out` cannot overlap, so that the
// loops become vector code.
template <class Value>
void for_nibbles(const std::byte* codes, float* out, const Value& value) {
  std::uint8_t bytes[16];
  std::memcpy(bytes, codes, sizeof bytes);
  for (int i = 0; i < 16; ++i) out[i] = value(bytes[i] & 15, i);
  for (int i = 0; i < 16; ++i) out[i + 16] = value(bytes[i] >> 4, i + 16);
}

/// Q4_0: f16 d, 16 bytes of nibbles. x = d * (q - 8).
struct Q4_0 {
  static void decode(const std::byte* from, float* out) {
    const float d = half_at(from);
    for_nibbles(from + 2, out, [d](int q, int) { return d * static_cast<float>(q - 8); });
  }
};

/// Q4_1: f16 d, f16 m, 16 bytes of nibbles. x = d * q + m.
struct Q4_1 {
  static void decode(const std::byte* from, float* out) {
    const float d = half_at(from), m = half_at(from + 2);
    for_nibbles(from + 4, out, [d, m](int q, int) { return d * static_cast<float>(q) + m; });
  }
};

/// Q5_0: f16 d, 32 fifth bits (bit i belongs to value i), 16 bytes of nibbles. x = d * (q - 16).
struct Q5_0 {
  static void decode(const std::byte* from, float* out) {
    const float d = half_at(from);
    std::uint32_t fifth;
    std::memcpy(&fifth, from + 2, sizeof fifth);
    for_nibbles(from + 6, out,
                [d, fifth](int q, int i) { return d * (static_cast<float>(q | static_cast<int>((fifth >> i) & 1u) << 4) - 16.0f); });
  }
};

/// Q5_1: f16 d, f16 m, 32 fifth bits, 16 bytes of nibbles. x = d * q + m.
struct Q5_1 {
  static void decode(const std::byte* from, float* out) {
    const float d = half_at(from), m = half_at(from + 2);
    std::uint32_t fifth;
    std::memcpy(&fifth, from + 4, sizeof fifth);
    for_nibbles(from + 8, out,
                [d, m, fifth](int q, int i) { return d * static_cast<float>(q | static_cast<int>((fifth >> i) & 1u) << 4) + m; });
  }
};

/// Q8_0: f16 d, 32 int8. x = d * q.
struct Q8_0 {
  static void decode(const std::byte* from, float* out) {
    const float d = half_at(from);
    for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<std::int8_t>(byte_at(from + 2, i)));
  }
};

/// IQ4_NL: f16 d, 16 bytes of nibbles that index a fixed table of 16 unevenly spaced levels. x = d * level[q].
struct Iq4Nl {
  static void decode(const std::byte* from, float* out) {
    static constexpr float levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    const float d = half_at(from);
    for_nibbles(from + 2, out, [d](int q, int) { return d * levels[q]; });
  }
};

template <class Block>
void decode_all(const std::byte* from, float* out, std::size_t blocks, std::size_t block_bytes) {
  for (std::size_t b = 0; b < blocks; ++b) Block::decode(from + b * block_bytes, out + 32 * b);
}

// The same as f16::decode() for every code, but without branches, so that it vectorises. (Moving the exponent by one multiplication would
// be shorter, but subnormal operands cost a hundred cycles each, and small weights are common.)
void decode_halfs(const std::byte* from, float* out, std::size_t values) {
  for (std::size_t i = 0; i < values; ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, from + 2 * i, sizeof bits);
    const std::int32_t magnitude = bits & 0x7fff;
    const std::int32_t normal = (magnitude << 13) + (112 << 23);  // 112 = 127 - 15, the difference of the biases
    const auto subnormal = std::bit_cast<std::int32_t>(static_cast<float>(magnitude) * 0x1p-24f);
    const std::int32_t small = -static_cast<std::int32_t>(magnitude < 0x0400);  // all ones or zero
    const std::int32_t special = -static_cast<std::int32_t>(magnitude >= 0x7c00), nan = -static_cast<std::int32_t>(magnitude > 0x7c00);
    const std::int32_t value = (subnormal & small) | (normal & ~small & ~special) | (0x7f800000 & special) | (0x00400000 & nan);
    out[i] = bits_float(static_cast<std::uint32_t>(value) | (bits & 0x8000u) << 16);
  }
}

void decode_bfloats(const std::byte* from, float* out, std::size_t values) {
  for (std::size_t i = 0; i < values; ++i) {
    bf16 value;
    std::memcpy(&value.bits, from + 2 * i, sizeof value.bits);
    out[i] = value.decode();
  }
}

[[gnu::always_inline]] inline void decode_any(StorageType type, const std::byte* from, float* out, std::size_t values) {
  const StorageLayout layout = layout_of(type);
  const auto bytes = static_cast<std::size_t>(layout.block_bytes), blocks = values / static_cast<std::size_t>(layout.block_values);
  switch (type) {
    case StorageType::f32: std::memcpy(out, from, values * sizeof(float)); return;
    case StorageType::f16: return decode_halfs(from, out, values);
    case StorageType::bf16: return decode_bfloats(from, out, values);
    case StorageType::q4_0: return decode_all<Q4_0>(from, out, blocks, bytes);
    case StorageType::q4_1: return decode_all<Q4_1>(from, out, blocks, bytes);
    case StorageType::q5_0: return decode_all<Q5_0>(from, out, blocks, bytes);
    case StorageType::q5_1: return decode_all<Q5_1>(from, out, blocks, bytes);
    case StorageType::q8_0: return decode_all<Q8_0>(from, out, blocks, bytes);
    case StorageType::iq4_nl: return decode_all<Iq4Nl>(from, out, blocks, bytes);
    default: return;  // the blocks of 256
  }
}

}  // namespace
}  // namespace vernier::io

#if defined(__x86_64__)
VERNIER_TARGET_AVX2
namespace vernier::io::avx2 {
namespace {
/// 32 at a time by the processor's own conversion, which agrees with f16::decode() but for what it leaves in a NaN: those are done again.
void decode_halfs(const std::byte* from, float* out, std::size_t values) {
  std::size_t i = 0;
  for (; i + 32 <= values; i += 32) {
    __m256 v[4];
    for (int j = 0; j < 4; ++j) {
      v[j] = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 2 * i + 16 * j)));
      _mm256_storeu_ps(out + i + 8 * j, v[j]);
    }
    const __m256 nan = _mm256_or_ps(_mm256_cmp_ps(v[0], v[1], _CMP_UNORD_Q), _mm256_cmp_ps(v[2], v[3], _CMP_UNORD_Q));
    if (_mm256_movemask_ps(nan) != 0) io::decode_halfs(from + 2 * i, out + i, 32);
  }
  io::decode_halfs(from + 2 * i, out + i, values - i);
}

/// A block's scale, in all lanes.
__m256 scale_at(const std::byte* from) {
  std::uint16_t bits;
  std::memcpy(&bits, from, sizeof bits);
  const bool finite = (bits & 0x7c00u) != 0x7c00u;
  return _mm256_set1_ps(finite ? _cvtsh_ss(bits) : half_at(from));
}

/// d times sixteen integers.
void store_scaled(__m128i integers, __m256 d, float* out) {
  _mm256_storeu_ps(out, _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(integers))));
  _mm256_storeu_ps(out + 8, _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(integers, integers)))));
}

void decode_q4_0(const std::byte* from, float* out, std::size_t blocks) {
  const __m128i low = _mm_set1_epi8(15), zero = _mm_set1_epi8(8);
  for (std::size_t b = 0; b < blocks; ++b, from += 18, out += 32) {
    const __m256 d = scale_at(from);
    const __m128i pairs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 2));
    store_scaled(_mm_sub_epi8(_mm_and_si128(pairs, low), zero), d, out);
    store_scaled(_mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(pairs, 4), low), zero), d, out + 16);
  }
}

/// The same loops in wider vectors. These files are built without contraction to multiply-adds, so the floats are the same.
[[gnu::flatten]] void decode_any(StorageType type, const std::byte* from, float* out, std::size_t values) {
  if (type == StorageType::f16) return decode_halfs(from, out, values);
  if (type == StorageType::q4_0) return decode_q4_0(from, out, values / 32);
  io::decode_any(type, from, out, values);
}
}  // namespace
}  // namespace vernier::io::avx2
VERNIER_TARGET_END
#endif

namespace vernier::io {

void decode_blocks(StorageType type, const std::byte* from, float* out, std::size_t values, cpu::Isa isa) {
  const StorageLayout layout = layout_of(type);
  const auto block = static_cast<std::size_t>(layout.block_values);
  expect(values % block == 0, "vernier::io::decode_blocks", values, " values, expected a multiple of ", block, " for ", layout.name);
  if (block == 256) return detail::decode_k_blocks(type, from, out, values / block, isa);
#if defined(__x86_64__)
  // Runs of 16 bytes fill no wide vector of bytes: g++ 12 makes 0.45 ns a value of Q4_1 there, and 0.15 with narrow ones.
  const bool widens = type != StorageType::q4_1;
  if (widens && isa >= cpu::Isa::avx2) return avx2::decode_any(type, from, out, values);
#endif
  decode_any(type, from, out, values);
}

}  // namespace vernier::io
