// Every block type against what the Python package `gguf` makes of the same bytes, bit for bit (data/make_gguf_block_vectors.py), and the
// plain types against the library's own conversions.
#include "common/io/blocks.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"

namespace vernier {
namespace {

constexpr std::size_t num_blocks = 2048;

/// The instruction sets that this machine runs.
std::vector<cpu::Isa> isas() {
  std::vector<cpu::Isa> found;
  for (const cpu::Isa isa : cpu::all_isas)
    if (isa <= cpu::features().isa) found.push_back(isa);
  return found;
}

// The generator of the script.
std::vector<std::byte> random_bytes(std::size_t count) {
  std::uint64_t state = 12345;
  std::vector<std::byte> out(count);
  for (std::byte& byte : out) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<std::byte>(state >> 56);
  }
  return out;
}

// Offsets of the binary16 fields, as in the script; their top exponent bit is cleared.
const std::map<io::StorageType, std::vector<std::size_t>>& half_fields() {
  using T = io::StorageType;
  static const std::map<T, std::vector<std::size_t>> fields{
      {T::f16, {0}},       {T::bf16, {0}},   {T::q4_0, {0}},    {T::q4_1, {0, 2}}, {T::q5_0, {0}},   {T::q5_1, {0, 2}}, {T::q8_0, {0}},
      {T::q2_k, {80, 82}}, {T::q3_k, {108}}, {T::q4_k, {0, 2}}, {T::q5_k, {0, 2}}, {T::q6_k, {208}}, {T::iq4_nl, {0}}};
  return fields;
}

std::vector<std::byte> test_blocks(io::StorageType type) {
  const auto bytes = static_cast<std::size_t>(io::layout_of(type).block_bytes);
  std::vector<std::byte> blocks = random_bytes(num_blocks * bytes);
  for (std::size_t b = 0; b < num_blocks; ++b) {
    for (const std::size_t offset : half_fields().at(type)) blocks[b * bytes + offset + 1] &= std::byte{0xbf};
  }
  return blocks;
}

TEST(Blocks, EqualTheReferencePackage) {
  std::ifstream in(VERNIER_TEST_DATA "/gguf_block_vectors.txt");
  std::size_t types = 0;
  for (std::string line; std::getline(in, line); ++types) {
    std::istringstream fields(line);
    std::uint32_t number = 0, block_bytes = 0;
    std::uint64_t checksum = 0;
    fields >> number >> block_bytes >> std::hex >> checksum;
    const auto type = io::storage_type(number);
    ASSERT_TRUE(type.has_value()) << number;
    SCOPED_TRACE(io::layout_of(*type).name);
    ASSERT_EQ(static_cast<std::uint32_t>(io::layout_of(*type).block_bytes), block_bytes);
    const std::size_t values = num_blocks * static_cast<std::size_t>(io::layout_of(*type).block_values);
    std::uint32_t first[8] = {};
    for (std::uint32_t& bits : first) fields >> bits;
    const std::vector<std::byte> blocks = test_blocks(*type);
    for (const cpu::Isa isa : isas()) {
      SCOPED_TRACE(cpu::name(isa));
      std::vector<float> out(values);
      io::decode_blocks(*type, blocks.data(), out.data(), values, isa);
      for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(float_bits(out[i]), first[i]) << "value " << i;
      std::uint64_t got = 0;
      for (std::size_t i = 0; i < values; ++i) got += float_bits(out[i]) * (2 * i + 1);
      EXPECT_EQ(got, checksum);
    }
  }
  EXPECT_EQ(types, half_fields().size());
}

// A loader reads slices, so a part must be what the whole has there, at any alignment.
TEST(Blocks, PartsEqualTheWhole) {
  for (const auto& [type, fields] : half_fields()) {
    SCOPED_TRACE(io::layout_of(type).name);
    const auto width = static_cast<std::size_t>(io::layout_of(type).block_values),
               bytes = static_cast<std::size_t>(io::layout_of(type).block_bytes);
    const std::vector<std::byte> blocks = test_blocks(type);
    std::vector<float> whole(8 * width), part(3 * width);
    io::decode_blocks(type, blocks.data(), whole.data(), whole.size());
    std::vector<std::byte> shifted(3 * bytes + 1);
    std::memcpy(shifted.data() + 1, blocks.data() + 2 * bytes, 3 * bytes);
    io::decode_blocks(type, shifted.data() + 1, part.data(), part.size());
    EXPECT_EQ(std::memcmp(part.data(), whole.data() + 2 * width, part.size() * sizeof(float)), 0);
  }
}

TEST(Blocks, EveryHalfIsWhatTheLibraryDecodes) {
  std::vector<std::uint16_t> codes(65536);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint16_t>(i);
  std::vector<float> halfs(codes.size()), bfloats(codes.size());
  const auto* bytes = reinterpret_cast<const std::byte*>(codes.data());
  for (const cpu::Isa isa : isas()) {
    io::decode_blocks(io::StorageType::f16, bytes, halfs.data(), halfs.size(), isa);
    io::decode_blocks(io::StorageType::bf16, bytes, bfloats.data(), bfloats.size(), isa);
    for (std::size_t i = 0; i < codes.size(); ++i) {
      ASSERT_EQ(float_bits(halfs[i]), float_bits(f16{codes[i]}.decode())) << i << ' ' << cpu::name(isa);
      ASSERT_EQ(float_bits(bfloats[i]), float_bits(bf16{codes[i]}.decode())) << i << ' ' << cpu::name(isa);
    }
  }
}

TEST(Blocks, PlainFloatsAreCopied) {
  const std::vector<std::byte> bytes = random_bytes(400);
  std::vector<float> out(100);
  io::decode_blocks(io::StorageType::f32, bytes.data(), out.data(), out.size());
  EXPECT_EQ(std::memcmp(out.data(), bytes.data(), bytes.size()), 0);
}

TEST(Blocks, RefusesAPartOfABlock) {
  std::vector<float> out(32);
  try {
    io::decode_blocks(io::StorageType::q4_0, random_bytes(18).data(), out.data(), 31);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "vernier::io::decode_blocks: 31 values, expected a multiple of 32 for Q4_0");
  }
}

}  // namespace
}  // namespace vernier
