// Finding a token by rank or by mass among candidates that are in no order: a digit of the key at a time, from the top, like a radix sort
// that follows one element. A part of sample_draw.cuh.
#pragma once

#include "vernier/ops/sample_buckets.cuh"

namespace vernier::cuda::detail {

/// A key puts tokens in the order of their rank: above, what is compared (a logit or a weight) from the greatest down; below, the id.
inline constexpr int sample_key_bits = 32 + sample_id_bits;
VERNIER_HD constexpr Mass sample_key(std::uint32_t descending, int id) {
  return static_cast<Mass>(~descending) << sample_id_bits | static_cast<unsigned>(id);
}
VERNIER_HD constexpr int key_id(Mass key) { return static_cast<int>(key & (most_vocabulary - 1)); }
VERNIER_HD constexpr std::uint32_t key_value(Mass key) { return ~static_cast<std::uint32_t>(key >> sample_id_bits); }

/// The keys whose upper bits, all but `shift`, are `bits`.
struct KeyPrefix {
  Mass bits = 0;
  int shift = sample_key_bits;

  VERNIER_HD constexpr bool holds(Mass key) const { return key >> shift == bits; }
  /// Whether a key is among these or of a better rank.
  VERNIER_HD constexpr bool reaches(Mass key) const { return key >> shift <= bits; }
};

inline constexpr int digit_bits = 8, num_digits = 1 << digit_bits;

template <int Threads>
struct SelectShared {
  SampleShared<Threads> common;
  SharedMasses<num_digits> masses;
  unsigned counts[num_digits];
};

/// The token whose value takes the running sum of values, in the order of keys, over `target`. It is the only candidate with a value that
/// the returned prefix holds. for_each(f) calls f(key) for each candidate, of which `start` holds all; candidates without a value are
/// passed over. If the sum stays below, it is the last one. Called by all threads.
template <int Threads, class ForEach, class Value>
__device__ __forceinline__ KeyPrefix select(SelectShared<Threads>& shared, KeyPrefix start, Mass target, const ForEach& for_each,
                                            const Value& value) {
  KeyPrefix p = start;
  unsigned left = 2;  // candidates under the prefix
  while (p.shift > 0 && left > 1) {
    const int next = p.shift > digit_bits ? p.shift - digit_bits : 0;
    for (int i = static_cast<int>(threadIdx.x); i < num_digits; i += Threads)
      shared.masses.low[i] = shared.masses.high[i] = shared.counts[i] = 0;
    __syncthreads();
    for_each([&](Mass key) {
      if (!p.holds(key)) return;
      const Mass v = value(key);
      if (v == 0) return;
      const int digit = static_cast<int>(key >> next & ((Mass{1} << (p.shift - next)) - 1));
      shared.masses.add(digit, v);
      atomicAdd(&shared.counts[digit], 1u);
    });
    __syncthreads();
    const Crossing c = find_crossing<Threads>(shared.common, num_digits, target, [&](int i) { return shared.masses[i]; });
    target = target > c.before ? target - c.before : 0;
    left = shared.counts[c.index];
    p = {p.bits << (p.shift - next) | static_cast<unsigned>(c.index), next};
    __syncthreads();  // all have read what is cleared next
  }
  return p;
}

/// The sum of value(key) over the candidates, in every thread.
template <int Threads, class ForEach, class Value>
__device__ __forceinline__ Mass sum_of(SelectShared<Threads>& shared, const ForEach& for_each, const Value& value) {
  Mass own = 0;
  for_each([&](Mass key) { own += value(key); });
  const Mass sum = reduce_block<Threads>(own, shared.common.sums, Sum{});
  __syncthreads();
  return sum;
}

/// The id of the one candidate with a value that the prefix holds, in every thread.
template <int Threads, class ForEach, class Value>
__device__ __forceinline__ int id_of(SelectShared<Threads>& shared, KeyPrefix prefix, const ForEach& for_each, const Value& value) {
  for_each([&](Mass key) {
    if (prefix.holds(key) && value(key) != 0) shared.common.id = key_id(key);
  });
  __syncthreads();
  return shared.common.id;
}

}  // namespace vernier::cuda::detail
