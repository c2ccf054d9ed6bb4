// The walk over the bytes of a GGUF file; used by gguf.cpp alone.
#pragma once

#include <vector>

#include "common/io/gguf.hpp"

namespace vernier::io {

struct GgufContents {
  std::vector<GgufValue> values;       // sorted by key, keys distinct
  std::vector<GgufTensor> tensors;     // in the file's order
  std::vector<std::uint32_t> by_name;  // sorted, names distinct
};

/// Throws Error at the first thing that is wrong. Allocates in proportion to the entries that are really in the file.
GgufContents parse_gguf(const MappedFile& file);

/// Bytes of one element of a metadata type; 0 for string and array.
std::size_t element_bytes(GgufType type);

}  // namespace vernier::io
