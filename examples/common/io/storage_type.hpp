// The types in which checkpoints store numbers, and how many bytes a run of them takes. How the blocks are read is in blocks.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace vernier::io {

/// The values are the type numbers of GGUF files; safetensors use the first two and bf16.
enum class StorageType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq4_nl = 20,
  bf16 = 30,
};

struct StorageLayout {
  const char* name = "";
  int block_values = 1;  // values in a block; a row holds whole blocks
  int block_bytes = 0;
};

/// The layout of `type`.
StorageLayout layout_of(StorageType type);

/// The type with this GGUF number, or nothing if we do not read it.
std::optional<StorageType> storage_type(std::uint32_t gguf_number);

/// How to call GGUF type `number` in a message, also one that we do not read: "Q4_1 (3)", "type 99".
std::string storage_type_text(std::uint32_t gguf_number);

/// Bytes of `values` consecutive values; `values` must be a multiple of the block.
std::size_t stored_bytes(StorageType type, std::size_t values);

}  // namespace vernier::io
