// The second kernel of sampling, for rows with top-k or top-p: counts and masses of the tokens by buckets of similar weight, and the bucket
// in which the filter ends. No token is sorted: the third kernel looks at that bucket alone.
#pragma once

#include "vernier/ops/sample_block.cuh"

namespace vernier::cuda {

namespace detail {

/// Sums of 64 bits in shared memory as two words: an SM adds 32 bits atomically at once, and 64 only by trying until nobody interfered.
/// The upper word is needed where there is a carry, or for weights from 2^-12 on, which are few.
template <int N>
struct SharedMasses {
  unsigned low[N], high[N];

  __device__ __forceinline__ void add(int i, Mass mass) {
    const unsigned word = static_cast<unsigned>(mass), before = atomicAdd(&low[i], word);
    const unsigned carry = before + word < word ? 1u : 0u, upper = static_cast<unsigned>(mass >> 32) + carry;
    if (upper != 0) atomicAdd(&high[i], upper);
  }
  __device__ __forceinline__ Mass operator[](int i) const { return static_cast<Mass>(high[i]) << 32 | low[i]; }
};

}  // namespace detail

/// Grid: (parts of a row, rows), behind SampleBest. About 60 instructions a token, most of them the exponential and the division in front
/// of it.
template <SampleConfig C>
class SampleBuckets {
  static_assert(check<C>(), "vernier::cuda::SampleBuckets: a config that check() refuses");

  struct Shared {
    detail::SampleShared<C.threads> common;
    detail::SharedMasses<num_mass_buckets> masses;
    unsigned counts[num_mass_buckets];
  };

 public:
  using Args = SampleArgs;
  static constexpr Arch arch = C.arch;
  static constexpr int threads = C.threads, shared_bytes = sizeof(Shared);

  __device__ static void run(const Args& args, unsigned char* raw) {
    Shared& shared = *reinterpret_cast<Shared*>(raw);
    const int row = static_cast<int>(blockIdx.y);
    const ops::SampleRow& options = args.rows[row];
    SampleState& state = args.scratch.states[row];
    if (state.done != 0 || !needs_buckets(options, args.logits.cols)) return;
    fill(args, options, state.greatest, shared);
    const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(row) * num_mass_buckets;
    Mass* const masses = args.scratch.bucket_masses + first;
    unsigned* const counts = args.scratch.bucket_counts + first;
    for (int i = static_cast<int>(threadIdx.x); i < num_mass_buckets; i += threads) {
      if (shared.counts[i] == 0) continue;
      atomicAdd(&masses[i], shared.masses[i]);
      atomicAdd(&counts[i], shared.counts[i]);
    }
    if (!detail::last_to_arrive(&state.arrived, static_cast<int>(gridDim.x), &shared.common.flag)) return;
    if (takes_top_k(options, args.logits.cols))
      end_of_top_k(options, counts, state, shared);
    else
      end_of_nucleus(options, masses, state, shared);
  }

 private:
  /// Tokens of this part, by bucket.
  __device__ __forceinline__ static void fill(const Args& args, const ops::SampleRow& options, float greatest, Shared& shared) {
    for (int i = static_cast<int>(threadIdx.x); i < num_mass_buckets; i += threads)
      shared.masses.low[i] = shared.masses.high[i] = shared.counts[i] = 0;
    __syncthreads();
    const float temperature = options.temperature;
    detail::for_part<C>(args.logits, [&](int, float x) {
      const float weight = detail::sample_weight(x, greatest, temperature);
      const Mass mass = weight_mass(weight);
      if (mass == 0) return;
      shared.masses.add(mass_bucket(weight), mass);
      atomicAdd(&shared.counts[mass_bucket(weight)], 1u);
    });
    __syncthreads();
  }

  /// From the best bucket down.
  VERNIER_HD static constexpr int down(int i) { return num_mass_buckets - 1 - i; }

  __device__ __forceinline__ static void end_of_top_k(const ops::SampleRow& options, const unsigned* counts, SampleState& state,
                                                      Shared& shared) {
    const auto end = detail::find_crossing<threads>(shared.common, num_mass_buckets, static_cast<Mass>(options.top_k) - 1,
                                                    [&](int i) { return static_cast<Mass>(counts[down(i)]); });
    if (threadIdx.x == 0) state.border = down(end.index);
  }

  __device__ __forceinline__ static void end_of_nucleus(const ops::SampleRow& options, const Mass* masses, SampleState& state,
                                                        Shared& shared) {
    Mass own = 0;
    for (int i = static_cast<int>(threadIdx.x); i < num_mass_buckets; i += threads) own += masses[i];
    const Mass total = reduce_block<threads>(own, shared.common.sums, Sum{});
    __syncthreads();  // the sums are read, and used again
    const Mass last = last_unit_of_nucleus(options.top_p, total);
    const auto end = detail::find_crossing<threads>(shared.common, num_mass_buckets, last, [&](int i) { return masses[down(i)]; });
    if (threadIdx.x != 0) return;
    state.border = down(end.index);
    state.above = end.before;
    state.last_unit = last;
  }
};

}  // namespace vernier::cuda
