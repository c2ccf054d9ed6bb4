// Numbers for benchmarks, where only their ordinary size matters: the same in every run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vernier::bench {

/// The next of a sequence of 32 bits (Numerical Recipes' linear congruential generator); the high ones are the better ones.
inline std::uint32_t next_random(std::uint32_t& state) { return state = state * 1664525u + 1013904223u; }

/// `count` floats in [-1, 1). `state` goes on from call to call.
inline std::vector<float> noise(std::size_t count, std::uint32_t& state) {
  std::vector<float> x(count);
  for (float& value : x) value = static_cast<float>(static_cast<std::int32_t>(next_random(state))) * 0x1p-31f;
  return x;
}

inline std::vector<float> noise(std::size_t count) {
  std::uint32_t state = 12345;
  return noise(count, state);
}

}  // namespace vernier::bench
