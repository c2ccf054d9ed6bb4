// Addresses of shared memory as most PTX instructions want them.
#pragma once

#include <cstdint>

namespace vernier::cuda {

/// The address within the block's shared window of a generic pointer into shared memory.
__device__ __forceinline__ std::uint32_t shared_address(const void* p) { return static_cast<std::uint32_t>(__cvta_generic_to_shared(p)); }

}  // namespace vernier::cuda
