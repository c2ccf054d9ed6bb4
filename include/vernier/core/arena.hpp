// Huge pages for many small owners: a matrix of 0.2 MiB alone gets none, a model of two hundred of them in a row does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "vernier/core/buffer.hpp"
#include "vernier/core/math.hpp"

namespace vernier {

/// Hands out pieces of large chunks, one behind the other in the order in which they are taken, so that what is read in that order streams.
/// A chunk lives as long as the arena fills it or any piece of it is held, and goes back to the system as a whole: take what dies together
/// from one arena. Nothing beyond the last piece is touched, so the rest of a chunk costs addresses, not memory. Not thread-safe.
class Arena {
 public:
  explicit Arena(std::size_t chunk_bytes = std::size_t{1} << 25) : chunk_bytes_(chunk_bytes) {}

  /// `bytes` bytes on a cache line, contents undefined.
  std::shared_ptr<std::uint8_t> take(std::size_t bytes) {
    bytes = round_up(bytes, buffer_alignment);
    if (chunk_ == nullptr || bytes > chunk_->size() - used_) {
      chunk_ = std::make_shared<Buffer<std::uint8_t>>(round_up(std::max(bytes, chunk_bytes_), huge_page));
      used_ = 0;
    }
    return {chunk_, chunk_->data() + std::exchange(used_, used_ + bytes)};
  }

 private:
  std::size_t chunk_bytes_;
  std::shared_ptr<Buffer<std::uint8_t>> chunk_;
  std::size_t used_ = 0;  // bytes of chunk_
};

}  // namespace vernier
