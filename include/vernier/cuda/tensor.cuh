// What a tensor copy moves: a box of a tensor in global memory. tensor_map() in tensor_map.cuh makes of it what a kernel needs.
#pragma once

#include <array>
#include <cstdint>

#include "vernier/core/error.hpp"
#include "vernier/core/macros.hpp"

namespace vernier::cuda {

/// How a box lies in shared memory. Its rows are as long as the name says; within each group of eight 128-byte lines, 16-byte chunks are
/// exchanged by line, so that eight rows of one column are in eight different banks. Address bits 4-6 (b128), 4-5 (b64) or 4 (b32) are
/// xored with bits 7-9, 7-8 or 7.
enum class Swizzle : unsigned char { none, b32, b64, b128 };

VERNIER_HD constexpr int swizzle_bytes(Swizzle swizzle) {
  switch (swizzle) {
    case Swizzle::none: return 0;
    case Swizzle::b32: return 32;
    case Swizzle::b64: return 64;
    case Swizzle::b128: return 128;
  }
  return 0;
}

/// One to three dimensions, the innermost first; unused ones have size and box 1.
struct Tensor {
  const void* data = nullptr;  // 16-byte aligned
  int element_bytes = 2;       // 1, 2 or 4
  std::array<int, 3> size{1, 1, 1};
  std::array<std::int64_t, 2> stride_bytes{0, 0};  // of dimensions 1 and 2: multiples of 16
  std::array<int, 3> box{1, 1, 1};                 // what one copy moves; at most 256 each
  Swizzle swizzle = Swizzle::none;

  constexpr int rank() const { return box[2] > 1 || size[2] > 1 ? 3 : box[1] > 1 || size[1] > 1 ? 2 : 1; }
};

/// Throws Error, with the values, where a tensor map cannot be made of it.
inline void check_tensor(const Tensor& t) {
  constexpr std::string_view where = "vernier::cuda::tensor_map";
  expect(t.data != nullptr && reinterpret_cast<std::uintptr_t>(t.data) % 16 == 0, where, "the data must be 16-byte aligned");
  expect(t.element_bytes == 1 || t.element_bytes == 2 || t.element_bytes == 4, where, "element_bytes = ", t.element_bytes,
         "; it must be 1, 2 or 4");
  for (std::size_t d = 0; d < 3; ++d) {
    expect(t.size[d] >= 1, where, "size[", d, "] = ", t.size[d], "; it must be at least 1");
    expect(t.box[d] >= 1 && t.box[d] <= 256, where, "box[", d, "] = ", t.box[d], "; it must be 1 to 256");
  }
  for (int d = 1; d < t.rank(); ++d) {
    const std::int64_t stride = t.stride_bytes[static_cast<std::size_t>(d - 1)];
    expect(stride > 0 && stride % 16 == 0, where, "stride_bytes[", d - 1, "] = ", stride, "; it must be a multiple of 16");
  }
  const int row = t.box[0] * t.element_bytes;
  expect(row % 16 == 0, where, "a row of the box has ", row, " bytes; it must be a multiple of 16");
  expect(t.swizzle == Swizzle::none || row <= swizzle_bytes(t.swizzle), where, "a row of the box has ", row, " bytes, more than the ",
         swizzle_bytes(t.swizzle), " that the swizzle allows");
}

}  // namespace vernier::cuda
