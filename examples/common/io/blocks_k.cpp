// The "K" blocks of 256 values: groups of 16 or 32 values with small integer scales, which are themselves scaled by one or two
// binary16 numbers. Bits of neighbouring values are spread over bytes 32 apart, so each decoder walks in that order.
// Source: the GGUF specification and the layouts in ggml/src/ggml-common.h.
#include <cstdint>
#include <cstring>

#include "common/io/blocks.hpp"
#include "vernier/core/macros.hpp"
#include "vernier/types/fp16.hpp"

namespace vernier::io::detail {

namespace {

float half_at(const std::byte* from) {
  f16 half;
  std::memcpy(&half.bits, from, sizeof half.bits);
  return half.decode();
}

int byte_at(const std::byte* from, int i) { return std::to_integer<int>(from[i]); }

struct ScaleMin {
  int scale = 0, min = 0;
};

// Q4_K and Q5_K hold eight 6-bit scales and eight 6-bit minima in 12 bytes: groups 0 to 3 in the low six bits of bytes g and g + 4;
// groups 4 to 7 as nibbles of byte g + 4 (scale low, minimum high) below the top two bits of bytes g - 4 and g.
ScaleMin scale_min(const std::byte* packed, int group) {
  if (group < 4) return {byte_at(packed, group) & 63, byte_at(packed, group + 4) & 63};
  const int low = byte_at(packed, group + 4);
  return {(low & 15) | (byte_at(packed, group - 4) >> 6) << 4, (low >> 4) | (byte_at(packed, group) >> 6) << 4};
}

// Q2_K: 16 bytes with a 4-bit scale (low) and minimum (high) per group of 16; 64 bytes of 2-bit codes; f16 d; f16 dmin.
// Code 128h + 32s + i is bits 2s of byte 32h + i. x = (d * scale) * q - dmin * min.
void decode_q2_k(const std::byte* from, float* out) {
  const std::byte* codes = from + 16;
  const float d = half_at(from + 80), dmin = half_at(from + 82);
  for (int group = 0; group < 16; ++group) {
    const int packed = byte_at(from, group);
    const float scale = d * static_cast<float>(packed & 15), min = dmin * static_cast<float>(packed >> 4);
    const std::byte* bytes = codes + 32 * (group / 8) + 16 * (group % 2);
    const int shift = 2 * (group / 2 % 4);
    for (int i = 0; i < 16; ++i) out[16 * group + i] = scale * static_cast<float>((byte_at(bytes, i) >> shift) & 3) - min;
  }
}

// Q3_K: 32 bytes of third bits (bit k of byte i belongs to value 32k + i); 64 bytes of 2-bit codes as in Q2_K; 12 bytes with sixteen
// 6-bit scales, offset by 32: low nibbles in bytes 0 to 7 (groups 0 to 7 low, 8 to 15 high), upper pairs in bytes 8 to 11; f16 d.
// A clear third bit subtracts 4. x = (d * (scale - 32)) * (q - 4 * !bit).
void decode_q3_k(const std::byte* from, float* out) {
  const std::byte *codes = from + 32, *scales = from + 96;
  const float d = half_at(from + 108);
  for (int group = 0; group < 16; ++group) {
    const int low = (byte_at(scales, group % 8) >> (group < 8 ? 0 : 4)) & 15;
    const int high = (byte_at(scales, 8 + group % 4) >> (2 * (group / 4))) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    const int half = 16 * (group % 2), shift = 2 * (group / 2 % 4), bit = group / 2;
    const std::byte* bytes = codes + 32 * (group / 8) + half;
    for (int i = 0; i < 16; ++i) {
      const int third = (byte_at(from, half + i) >> bit) & 1;
      out[16 * group + i] = scale * static_cast<float>(((byte_at(bytes, i) >> shift) & 3) - (third != 0 ? 0 : 4));
    }
  }
}

// Q4_K: f16 d; f16 dmin; 12 bytes of scales and minima per group of 32 (above); 128 bytes of nibbles: byte 32h + i holds value
// 64h + i (low) and 64h + 32 + i (high). x = (d * scale) * q - dmin * min.
void decode_q4_k(const std::byte* from, float* out) {
  const float d = half_at(from), dmin = half_at(from + 2);
  for (int group = 0; group < 8; ++group) {
    const ScaleMin packed = scale_min(from + 4, group);
    const float scale = d * static_cast<float>(packed.scale), min = dmin * static_cast<float>(packed.min);
    const std::byte* bytes = from + 16 + 32 * (group / 2);
    const int shift = 4 * (group % 2);
    for (int i = 0; i < 32; ++i) out[32 * group + i] = scale * static_cast<float>((byte_at(bytes, i) >> shift) & 15) - min;
  }
}

// Q5_K: f16 d; f16 dmin; 12 bytes as in Q4_K; 32 bytes of fifth bits (bit g of byte i belongs to value 32g + i); 128 bytes of nibbles
// as in Q4_K. x = (d * scale) * q - dmin * min.
void decode_q5_k(const std::byte* from, float* out) {
  const float d = half_at(from), dmin = half_at(from + 2);
  const std::byte* fifths = from + 16;
  for (int group = 0; group < 8; ++group) {
    const ScaleMin packed = scale_min(from + 4, group);
    const float scale = d * static_cast<float>(packed.scale), min = dmin * static_cast<float>(packed.min);
    const std::byte* bytes = from + 48 + 32 * (group / 2);
    const int shift = 4 * (group % 2);
    for (int i = 0; i < 32; ++i) {
      const int q = ((byte_at(bytes, i) >> shift) & 15) | ((byte_at(fifths, i) >> group) & 1) << 4;
      out[32 * group + i] = scale * static_cast<float>(q) - min;
    }
  }
}

// Q6_K: 128 bytes of low nibbles; 64 bytes of upper pairs; 16 int8 scales, one per group of 16; f16 d. In each half of 128 values,
// value 32k + i has its nibble in byte 32(k % 2) + i (low for k < 2, high otherwise) and its pair in bits 2k of byte i.
// x = (d * scale) * (q - 32).
void decode_q6_k(const std::byte* from, float* out) {
  const std::byte *scales = from + 192, *pairs = from + 128;
  const float d = half_at(from + 208);
  for (int group = 0; group < 16; ++group) {
    const int half = group / 8, k = group / 2 % 4, start = 16 * (group % 2);
    const float scale = d * static_cast<float>(static_cast<std::int8_t>(byte_at(scales, group)));
    const std::byte* low = from + 64 * half + 32 * (k % 2) + start;
    const std::byte* high = pairs + 32 * half + start;
    for (int i = 0; i < 16; ++i) {
      const int q = ((byte_at(low, i) >> (k < 2 ? 0 : 4)) & 15) | ((byte_at(high, i) >> (2 * k)) & 3) << 4;
      out[16 * group + i] = scale * static_cast<float>(q - 32);
    }
  }
}

template <class Block>
void decode_all(const Block& block, const std::byte* from, float* out, std::size_t blocks, std::size_t bytes) {
  for (std::size_t b = 0; b < blocks; ++b) block(from + b * bytes, out + 256 * b);
}

[[gnu::always_inline]] inline void decode_any(StorageType type, const std::byte* from, float* out, std::size_t blocks) {
  const auto bytes = static_cast<std::size_t>(layout_of(type).block_bytes);
  switch (type) {
    case StorageType::q2_k: return decode_all(decode_q2_k, from, out, blocks, bytes);
    case StorageType::q3_k: return decode_all(decode_q3_k, from, out, blocks, bytes);
    case StorageType::q4_k: return decode_all(decode_q4_k, from, out, blocks, bytes);
    case StorageType::q5_k: return decode_all(decode_q5_k, from, out, blocks, bytes);
    default: return decode_all(decode_q6_k, from, out, blocks, bytes);
  }
}

}  // namespace
}  // namespace vernier::io::detail

#if defined(__x86_64__)
VERNIER_TARGET_AVX2
namespace vernier::io::detail::avx2 {
namespace {
[[gnu::flatten]] void decode_any(StorageType type, const std::byte* from, float* out, std::size_t blocks) {
  detail::decode_any(type, from, out, blocks);
}
}  // namespace
}  // namespace vernier::io::detail::avx2
VERNIER_TARGET_END
#endif

namespace vernier::io::detail {

void decode_k_blocks(StorageType type, const std::byte* from, float* out, std::size_t blocks, cpu::Isa isa) {
#if defined(__x86_64__)
  if (isa >= cpu::Isa::avx2) return avx2::decode_any(type, from, out, blocks);
#endif
  static_cast<void>(isa);
  decode_any(type, from, out, blocks);
}

}  // namespace vernier::io::detail
