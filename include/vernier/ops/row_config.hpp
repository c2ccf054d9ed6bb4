// The shapes of the kernels that give a row to one block, as values.
#pragma once

#include "vernier/policy/arch.hpp"

namespace vernier::cuda {

/// A block of `threads` threads holds a row in registers: each up to `chunks` times eight elements. Structural: equal values are one
/// instantiation. New fields go last, with a default.
struct RowConfig {
  Arch arch = Arch::sm80;
  int threads = 128, chunks = 4;
  bool norm = false;  // whether the row is normalised on its way

  constexpr int most_cols() const { return threads * chunks * 8; }
  friend constexpr bool operator==(const RowConfig&, const RowConfig&) = default;
};

template <RowConfig C>
constexpr bool check() {
  static_assert(is_cuda(C.arch), "vernier::cuda::RowBlock: arch must be sm80, sm89 or sm90a");
  static_assert(C.threads % 32 == 0 && C.threads >= 32, "vernier::cuda::RowBlock: threads must be a multiple of 32");
  static_assert(C.chunks >= 1 && C.threads * (8 * C.chunks + 48) <= 65536,
                "vernier::cuda::RowBlock: a thread takes 8 * chunks registers and about 48 more, of the 65536 of an SM");
  return true;
}

}  // namespace vernier::cuda
