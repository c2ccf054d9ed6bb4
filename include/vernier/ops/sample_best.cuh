// The first kernel of sampling: bias and penalties, and the best token of each row. For a greedy row that is the answer. Moves 4 bytes a
// token; the other kernels find them in L2 as long as the batch fits there.
#pragma once

#include "vernier/ops/sample_block.cuh"

namespace vernier::cuda {

/// Grid: (parts of a row, rows).
template <SampleConfig C>
class SampleBest {
  static_assert(check<C>(), "vernier::cuda::SampleBest: a config that check() refuses");
  using Shared = detail::SampleShared<C.threads>;

 public:
  using Args = SampleArgs;
  static constexpr Arch arch = C.arch;
  static constexpr int threads = C.threads, shared_bytes = sizeof(Shared);

  __device__ static void run(const Args& args, unsigned char* raw) {
    Shared& shared = *reinterpret_cast<Shared*>(raw);
    const int part = static_cast<int>(blockIdx.x), parts = static_cast<int>(gridDim.x), row = static_cast<int>(blockIdx.y);
    SampleState& state = args.scratch.states[row];
    if (args.rows != nullptr) {
      adjust(args, row);
      if (part == 0) clear(args.scratch, row);
    }
    Mass* const bests = args.scratch.best + static_cast<std::ptrdiff_t>(row) * parts;
    const Mass best = reduce_block<threads>(best_of_part(args.logits), shared.sums, Largest{});
    if (threadIdx.x == 0) bests[part] = best;
    if (detail::last_to_arrive(&state.arrived, parts, &shared.flag)) finish(args, state, bests, parts, shared);
  }

 private:
  /// Bias and penalties of the row's tokens that lie in this part.
  __device__ __forceinline__ static void adjust(const Args& args, int row) {
    const ops::SampleRow& o = args.rows[row];
    const ops::LogitAdjustment* const all = args.adjustments + o.first_adjustment;
    const int num = o.num_adjustments;
    const int begin = static_cast<int>(blockIdx.x) * C.part, end = begin + C.part < args.logits.cols ? begin + C.part : args.logits.cols;
    for (int i = static_cast<int>(threadIdx.x); i < num; i += threads) {
      const int id = all[i].id;
      if (id < begin || id >= end || (i > 0 && all[i - 1].id == id)) continue;  // the first of an id does all of them
      float& logit = args.logits(row, id);
      float x = logit;
      int count = -1;
      for (int j = i; j < num && all[j].id == id; ++j) {
        x += all[j].bias;
        count = all[j].count > count ? all[j].count : count;
      }
      if (count >= 0) x = x > 0 ? x / o.repetition_penalty : x * o.repetition_penalty;
      if (count > 0) x -= o.presence_penalty + o.frequency_penalty * static_cast<float>(count);
      logit = x;
    }
    __syncthreads();
  }

  /// What the next kernels add to.
  __device__ __forceinline__ static void clear(const SampleScratch& scratch, int row) {
    const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(row) * num_mass_buckets;
    for (int i = static_cast<int>(threadIdx.x); i < num_mass_buckets; i += threads) {
      scratch.bucket_masses[first + i] = 0;
      scratch.bucket_counts[first + i] = 0;
    }
    if (threadIdx.x == 0) scratch.states[row].members = 0;
  }

  /// The logit in order, and below it the id counted down: of equals the lowest id is the largest.
  __device__ __forceinline__ static Mass best_of_part(const MatrixView<float>& logits) {
    Mass best = 0;
    detail::for_part<C>(logits, [&](int id, float x) {
      const Mass key = static_cast<Mass>(ordered_bits(x)) << 32 | (0xffffffffu - static_cast<unsigned>(id));
      best = Largest{}(best, key);
    });
    return best;
  }

  __device__ __forceinline__ static void finish(const Args& args, SampleState& state, const Mass* bests, int parts, Shared& shared) {
    Mass best = 0;
    for (int i = static_cast<int>(threadIdx.x); i < parts; i += threads) best = Largest{}(best, bests[i]);
    best = reduce_block<threads>(best, shared.sums, Largest{});
    if (threadIdx.x != 0) return;
    const auto logit = static_cast<std::uint32_t>(best >> 32);
    const bool usable = logit > ordered_bits(bits_float(0xff800000u)) && logit < ordered_bits(bits_float(0x7f800000u));
    const bool greedy = args.rows == nullptr || args.rows[blockIdx.y].temperature == 0.0f;
    state.greatest = from_ordered_bits(logit);
    state.done = greedy || !usable ? 1 : 0;
    if (state.done != 0) args.ids[blockIdx.y] = usable ? static_cast<int>(0xffffffffu - static_cast<std::uint32_t>(best)) : no_token;
  }
};

}  // namespace vernier::cuda
