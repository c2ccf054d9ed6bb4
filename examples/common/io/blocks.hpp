// The block formats of GGUF files: how runs of quantised values become floats. Bit layouts are described at each decoder in
// blocks.cpp and blocks_k.cpp. Not the library's own formats (vernier/types), which are what the floats are quantised to afterwards.
#pragma once

#include <cstddef>

#include "common/io/storage_type.hpp"
#include "vernier/cpu/features.hpp"

namespace vernier::io {

/// Decodes `values` consecutive values of `type` from `from` (any alignment) to `out`. `values` is a multiple of the type's block.
/// Results are the float32 values that the format defines, in the order of operations that its reference uses, with any `isa`,
/// which the machine must have.
void decode_blocks(StorageType type, const std::byte* from, float* out, std::size_t values, cpu::Isa isa = cpu::selected_isa());

namespace detail {

/// The types with blocks of 256 values (blocks_k.cpp).
void decode_k_blocks(StorageType type, const std::byte* from, float* out, std::size_t blocks, cpu::Isa isa);

}  // namespace detail
}  // namespace vernier::io
