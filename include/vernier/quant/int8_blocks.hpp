// Weights in blocks of 32 integers behind a scale, as many model files have them: quantised from there without a copy in float.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "vernier/types/fp16.hpp"

namespace vernier {

/// Rows of weights in blocks of a binary16 scale and 32 int8: weight = scale * integer, rounded to float. Does not own; any alignment.
/// Source: GGUF's type Q8_0.
struct Int8BlockRows {
  static constexpr int block = 32, block_bytes = 2 + block;

  /// A row from one of its columns on.
  class Row {
   public:
    Row(const std::byte* blocks, int col) : blocks_(blocks), col_(col) {}
    Row operator+(int cols) const { return {blocks_, col_ + cols}; }
    float operator[](int i) const { return scale(i).decode() * static_cast<float>(*integers(i)); }

    /// The block of the first column; for who reads whole blocks.
    const std::byte* blocks() const { return at(0); }
    /// Those of column `i` and, as far as its block goes, behind it.
    f16 scale(int i) const {
      f16 scale;
      std::memcpy(&scale, at(i), sizeof scale);
      return scale;
    }
    const std::int8_t* integers(int i) const { return reinterpret_cast<const std::int8_t*>(at(i)) + 2 + (col_ + i) % block; }

   private:
    const std::byte* at(int i) const { return blocks_ + std::ptrdiff_t{(col_ + i) / block} * block_bytes; }

    const std::byte* blocks_;
    int col_;
  };

  const std::byte* data = nullptr;
  int rows = 0, cols = 0;     // cols: a multiple of 32
  std::ptrdiff_t stride = 0;  // bytes from row to row

  Row row(int i) const { return {data + i * stride, 0}; }
  Int8BlockRows slice_rows(int first, int count) const { return {data + first * stride, count, cols, stride}; }
};

}  // namespace vernier
