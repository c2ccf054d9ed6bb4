// A .safetensors file: a JSON header with the type, shape and byte range of each tensor, then the bytes. Source: the format's
// specification in github.com/huggingface/safetensors. Whether the tensors make a model is checkpoint.hpp's business.
#pragma once

#include <string>
#include <vector>

#include "common/io/checkpoint.hpp"
#include "common/io/mapped_file.hpp"

namespace vernier::io {

/// The tensors of `file`, pointing into its mapping; one- and two-dimensional F32, F16 and BF16. The ranges must cover the data
/// exactly, without holes or overlaps. Throws Error naming the file, the tensor, the value and what was expected.
std::vector<StoredTensor> read_safetensors(const MappedFile& file);

}  // namespace vernier::io
