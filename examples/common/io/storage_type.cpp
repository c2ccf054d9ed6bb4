// The table of storage types. Names and numbers are those of the GGUF specification.
#include "common/io/storage_type.hpp"

#include <array>

#include "vernier/core/error.hpp"

namespace vernier::io {

namespace {

struct Entry {
  StorageType type;
  StorageLayout layout;
};

constexpr std::array<Entry, 14> entries{{
    {StorageType::f32, {"F32", 1, 4}},
    {StorageType::f16, {"F16", 1, 2}},
    {StorageType::q4_0, {"Q4_0", 32, 18}},
    {StorageType::q4_1, {"Q4_1", 32, 20}},
    {StorageType::q5_0, {"Q5_0", 32, 22}},
    {StorageType::q5_1, {"Q5_1", 32, 24}},
    {StorageType::q8_0, {"Q8_0", 32, 34}},
    {StorageType::q2_k, {"Q2_K", 256, 84}},
    {StorageType::q3_k, {"Q3_K", 256, 110}},
    {StorageType::q4_k, {"Q4_K", 256, 144}},
    {StorageType::q5_k, {"Q5_K", 256, 176}},
    {StorageType::q6_k, {"Q6_K", 256, 210}},
    {StorageType::iq4_nl, {"IQ4_NL", 32, 18}},
    {StorageType::bf16, {"BF16", 1, 2}},
}};

// Types of the specification that we do not read, so that a message can name them.
struct Unread {
  std::uint32_t number;
  const char* name;
};
constexpr std::array<Unread, 19> unread{{
    {9, "Q8_1"},   {15, "Q8_K"},   {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {21, "IQ3_S"},
    {22, "IQ2_S"}, {23, "IQ4_XS"}, {24, "I8"},      {25, "I16"},    {26, "I32"},     {27, "I64"},   {28, "F64"},
    {29, "IQ1_M"}, {34, "TQ1_0"},  {35, "TQ2_0"},   {39, "MXFP4"},  {40, "NVFP4"},
}};

}  // namespace

StorageLayout layout_of(StorageType type) {
  for (const Entry& entry : entries) {
    if (entry.type == type) return entry.layout;
  }
  fail("vernier::io::layout_of", "storage type ", static_cast<std::uint32_t>(type), " has no layout");
}

std::optional<StorageType> storage_type(std::uint32_t gguf_number) {
  for (const Entry& entry : entries) {
    if (static_cast<std::uint32_t>(entry.type) == gguf_number) return entry.type;
  }
  return std::nullopt;
}

std::string storage_type_text(std::uint32_t gguf_number) {
  for (const Entry& entry : entries) {
    if (static_cast<std::uint32_t>(entry.type) == gguf_number) return concat(entry.layout.name, " (", gguf_number, ")");
  }
  for (const Unread& other : unread) {
    if (other.number == gguf_number) return concat(other.name, " (", gguf_number, ")");
  }
  return concat("type ", gguf_number);
}

std::size_t stored_bytes(StorageType type, std::size_t values) {
  const StorageLayout layout = layout_of(type);
  return values / static_cast<std::size_t>(layout.block_values) * static_cast<std::size_t>(layout.block_bytes);
}

}  // namespace vernier::io
