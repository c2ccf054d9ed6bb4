// Random numbers that are a pure function of (seed, stream, index): no state to carry, so a draw does not depend on what else was in the
// batch, on threads or on the machine. Not for cryptography.
#pragma once

#include <array>
#include <cstdint>

namespace vernier::ops {

/// Philox 4x32 with ten rounds: a bijection of a 128-bit counter under a 64-bit key that passes the usual batteries of tests.
/// Source: Salmon, Moraes, Dror and Shaw, Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011).
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = 0xD2511F53ull * counter[0], b = 0xCD9E8D57ull * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

/// A uniform number in [0, 1) with 53 random bits. `stream` tells apart the answers of one request, `index` the tokens of one answer.
constexpr double uniform(std::uint64_t seed, std::uint32_t stream, std::uint64_t index) {
  const auto bits = philox({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), stream, 0},
                           {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  const std::uint64_t wide = (std::uint64_t{bits[0]} << 32 | bits[1]) >> 11;
  return static_cast<double>(wide) * 0x1p-53;
}

}  // namespace vernier::ops
