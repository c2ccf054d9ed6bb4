// NF4 codes, absmax and nested absmax against vectors from bitsandbytes (data/make_nf4_vectors.py), bit for bit.
#include "vernier/quant/nf4_blocks.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "vernier/quant/nested_absmax.hpp"
#include "vernier/quant/quantize.hpp"
#include "vernier/quant/repack.hpp"

namespace vernier {
namespace {

struct Case {
  std::string kind, name;
  int block = 0;
  std::size_t count = 0;
  std::vector<std::string> fields;  // hexadecimal, one per line
};

std::vector<Case> read_cases(const std::string& kind) {
  std::ifstream file(VERNIER_TEST_DATA "/nf4_vectors.txt");
  std::vector<Case> cases;
  for (Case c; file >> c.kind >> c.name >> c.block >> c.count; c = {}) {
    const int fields = c.kind == "flat" ? 4 : c.kind == "nested" ? 5 : 1;
    c.fields.resize(static_cast<std::size_t>(fields));
    for (std::string& field : c.fields) file >> field;
    if (c.kind == kind) cases.push_back(c);
  }
  return cases;
}

std::vector<std::uint8_t> bytes(const std::string& hex) {
  std::vector<std::uint8_t> out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) out.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  return out;
}

std::vector<float> floats(const std::string& hex) {
  std::vector<float> out;
  for (std::size_t i = 0; i + 7 < hex.size(); i += 8)
    out.push_back(bits_float(static_cast<std::uint32_t>(std::stoul(hex.substr(i, 8), nullptr, 16))));
  return out;
}

std::vector<std::uint32_t> bits_of(std::span<const float> values) {
  std::vector<std::uint32_t> out;
  for (const float v : values) out.push_back(float_bits(v));
  return out;
}

TEST(Nf4Blocks, CodesAbsmaxAndValuesAreThoseOfBitsandbytes) {
  const auto cases = read_cases("flat");
  ASSERT_GE(cases.size(), 20u);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto in = floats(c.fields[0]);
    ASSERT_EQ(in.size(), c.count);
    const Nf4Blocks got = quantize_nf4_blocks(in, c.block);
    EXPECT_EQ(got.codes, bytes(c.fields[1]));
    EXPECT_EQ(bits_of(got.absmax), bits_of(floats(c.fields[2])));
    std::vector<float> out(in.size());
    dequantize_nf4_blocks(got, out);
    EXPECT_EQ(bits_of(out), bits_of(floats(c.fields[3])));
  }
}

// A matrix of one row is a flattened tensor, so the packed codes and scales must be the same too.
TEST(Nf4Blocks, PackedMatrixHasTheSameCodesAndScales) {
  for (const Case& c : read_cases("flat")) {
    if (c.block != nf4::block) continue;
    SCOPED_TRACE(c.name);
    const auto in = floats(c.fields[0]);
    const int k = static_cast<int>(in.size());
    const PackedMatrix packed = quantize(MatrixView<const float>(in.data(), 1, k), default_format(Precision::nf4));
    std::vector<std::uint8_t> codes(in.size());
    unpack_codes<Precision::nf4>(packed, 0, {codes.data(), 1, k});
    const auto want = bytes(c.fields[1]);
    const auto absmax = floats(c.fields[2]);
    for (int i = 0; i < k; ++i) {
      const std::uint8_t pair = want[static_cast<std::size_t>(i / 2)];
      EXPECT_EQ(codes[static_cast<std::size_t>(i)], i % 2 == 0 ? pair >> 4 : pair & 15) << i;
      EXPECT_EQ(packed.view().scale(0, i), absmax[static_cast<std::size_t>(i / nf4::block)]) << i;
    }
  }
}

// So must those of a matrix whose rows are whole blocks: its flattened tensor has the same blocks.
TEST(Nf4Blocks, RowsOfWholeBlocksAreTheFlattenedTensor) {
  const int n = 37, k = 192;
  std::vector<float> w(static_cast<std::size_t>(n * k));
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(static_cast<int>(i * 7919 % 4001) - 2000) * 0.001f;
  const Nf4Blocks blocks = quantize_nf4_blocks(w);
  const PackedMatrix packed = quantize(MatrixView<const float>(w.data(), n, k), default_format(Precision::nf4));
  std::vector<float> from_blocks(w.size()), from_packed(w.size());
  dequantize_nf4_blocks(blocks, from_blocks);
  dequantize(packed, {from_packed.data(), n, k});
  EXPECT_EQ(bits_of(from_blocks), bits_of(from_packed));
  for (int row = 0; row < n; ++row)
    for (int col = 0; col < k; col += nf4::block)
      ASSERT_EQ(packed.view().scale(row, col), blocks.absmax[static_cast<std::size_t>((row * k + col) / nf4::block)]);
}

TEST(NestedAbsmax, CodebookIsThatOfBitsandbytes) {
  const auto cases = read_cases("codebook");
  ASSERT_EQ(cases.size(), 1u);
  EXPECT_EQ(bits_of(dynamic_codebook), bits_of(floats(cases[0].fields[0])));
}

TEST(NestedAbsmax, CodesScalesAndValuesAreThoseOfBitsandbytes) {
  const auto cases = read_cases("nested");
  ASSERT_GE(cases.size(), 5u);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto in = floats(c.fields[0]);
    const float offset = floats(c.fields[1])[0];
    const NestedAbsmax got = nest_absmax(in, offset);
    EXPECT_EQ(got.codes, bytes(c.fields[2]));
    EXPECT_EQ(bits_of(got.scales), bits_of(floats(c.fields[3])));
    EXPECT_EQ(bits_of(unnest_absmax(got)), bits_of(floats(c.fields[4])));
    // A float sum of n terms of one sign errs by at most n roundings, whatever the order.
    EXPECT_NEAR(mean_absmax(in), offset, static_cast<double>(in.size() + 1) * 0x1p-24 * offset);
  }
}

TEST(Nf4Blocks, RefusesBadInput) {
  std::vector<float> values(70, 1.0f);
  EXPECT_THROW(quantize_nf4_blocks(values, 48), Error);
  values[66] = std::numeric_limits<float>::quiet_NaN();
  try {
    quantize_nf4_blocks(values);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("values[66]"), std::string::npos) << e.what();
  }
  EXPECT_THROW(nest_absmax(values), Error);
  Nf4Blocks broken{.codes = {0x77}, .absmax = {}, .count = 2, .block = 64};
  EXPECT_THROW(dequantize_nf4_blocks(broken, std::span(values).first(2)), Error);
  EXPECT_THROW(unnest_absmax({.codes = {1, 2}, .scales = {}, .offset = 0}), Error);
}

}  // namespace
}  // namespace vernier
