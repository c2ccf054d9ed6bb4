// The third kernel of sampling: the draw. Tokens are enumerated as ops/sample.hpp does: with top-k by rank; else by id, those of the bucket
// in which the nucleus ends by rank behind the others.
#pragma once

#include "vernier/ops/sample_select.cuh"

namespace vernier::cuda {

/// Grid: (parts of a row, rows), behind SampleBuckets. Every block sums up what may be drawn of its part, and lists the tokens whose rank
/// matters: those of the top k, or of the last bucket of the nucleus, a few hundred. The last block of a row draws. More candidates than
/// the list has room for cost a pass over the row for each digit of their keys instead.
template <SampleConfig C>
class SampleDraw {
  static_assert(check<C>(), "vernier::cuda::SampleDraw: a config that check() refuses");
  using Shared = detail::SelectShared<C.threads>;
  using Prefix = detail::KeyPrefix;

 public:
  using Args = SampleArgs;
  static constexpr Arch arch = C.arch;
  static constexpr int threads = C.threads, shared_bytes = sizeof(Shared);
  static constexpr int least_blocks = 2;  // or sm_120a spills a register to hold more

  __device__ static void run(const Args& args, unsigned char* raw) {
    SampleDraw block(args, *reinterpret_cast<Shared*>(raw));
    if (block.state_.done != 0) return;
    block.collect();
    if (!detail::last_to_arrive(&block.state_.arrived, static_cast<int>(gridDim.x), &block.shared_.common.flag)) return;
    const int id = block.ranked_ ? block.draw_by_rank() : block.draw_by_id();
    if (threadIdx.x == 0) args.ids[blockIdx.y] = id;
  }

 private:
  __device__ SampleDraw(const Args& args, Shared& shared)
      : args_(args),
        shared_(shared),
        options_(args.rows[blockIdx.y]),
        state_(args.scratch.states[blockIdx.y]),
        members_(args.scratch.members + static_cast<std::ptrdiff_t>(blockIdx.y) * C.members),
        masses_(args.scratch.masses + static_cast<std::ptrdiff_t>(blockIdx.y) * gridDim.x),
        ranked_(takes_top_k(options_, args.logits.cols)),
        nucleus_(!ranked_ && options_.top_p < 1.0f),
        greatest_(state_.greatest),
        temperature_(options_.temperature),
        min_p_(options_.min_p),
        border_(ranked_ || nucleus_ ? state_.border : -1) {}

  __device__ __forceinline__ float weight(float logit) const { return detail::sample_weight(logit, greatest_, temperature_); }

  /// What a token adds to the mass that is drawn in the order of ids.
  __device__ __forceinline__ Mass mass_by_id(float weight) const {
    const Mass mass = weight_mass(weight);
    if (weight < min_p_ || mass == 0 || mass_bucket(weight) <= border_) return 0;
    return mass;
  }

  /// Whether a token's rank matters, and its key.
  __device__ __forceinline__ bool is_candidate(float weight) const {
    if (weight_mass(weight) == 0) return false;
    return ranked_ ? mass_bucket(weight) >= border_ : mass_bucket(weight) == border_;
  }
  __device__ __forceinline__ Mass key(float logit, float weight, int id) const {
    return detail::sample_key(ranked_ ? ordered_bits(logit) : float_bits(weight), id);
  }
  __device__ __forceinline__ float weight_of(Mass key) const {
    const std::uint32_t value = detail::key_value(key);
    return ranked_ ? weight(from_ordered_bits(value)) : bits_float(value);
  }

  __device__ __forceinline__ void collect() {
    Mass own = 0;
    detail::for_part<C>(args_.logits, [&](int id, float x) {
      const float w = weight(x);
      if (!ranked_) own += mass_by_id(w);
      if (border_ >= 0) append(is_candidate(w), key(x, w, id));
    });
    if (ranked_) return;
    own = reduce_block<threads>(own, shared_.common.sums, Sum{});
    if (threadIdx.x == 0) masses_[blockIdx.x] = own;
  }

  /// Called by whole warps. The order of the list does not matter.
  __device__ __forceinline__ void append(bool wanted, Mass key) {
    const unsigned lanes = __ballot_sync(0xffffffffu, wanted ? 1 : 0), lane = threadIdx.x % 32;
    if (lanes == 0) return;
    unsigned first = 0;
    if (lane == 0) first = atomicAdd(&state_.members, static_cast<unsigned>(__popc(lanes)));
    const unsigned at = __shfl_sync(0xffffffffu, first, 0) + static_cast<unsigned>(__popc(lanes & ((1u << lane) - 1u)));
    if (wanted && at < C.members) members_[at] = key;
  }

  /// f(key) for each candidate.
  template <class F>
  __device__ __forceinline__ void for_candidates(const F& f) const {
    if (state_.members <= C.members) {
      for (unsigned i = threadIdx.x; i < state_.members; i += threads) f(members_[i]);
      return;
    }
    const float* const row = args_.logits.row(static_cast<int>(blockIdx.y));
    for (int id = static_cast<int>(threadIdx.x); id < args_.logits.cols; id += threads) {
      const float w = weight(row[id]);
      if (is_candidate(w)) f(key(row[id], w, id));
    }
  }

  /// The best k, of them the nucleus, of that what min-p leaves; drawn by rank.
  __device__ __forceinline__ int draw_by_rank() {
    const auto each = [this](const auto& f) { this->for_candidates(f); };
    const Prefix last = detail::select(shared_, {}, static_cast<Mass>(options_.top_k) - 1, each, [](Mass) { return Mass{1}; });
    const auto of_top_k = [&](Mass key) { return last.reaches(key) ? weight_mass(weight_of(key)) : 0; };
    Prefix end{.bits = 0, .shift = detail::sample_key_bits};  // reaches all
    if (options_.top_p < 1.0f)
      end = detail::select(shared_, {}, last_unit_of_nucleus(options_.top_p, detail::sum_of(shared_, each, of_top_k)), each, of_top_k);
    return draw(
        {}, [&](Mass key) { return last.reaches(key) && end.reaches(key); }, 0);
  }

  /// Over the whole vocabulary: parts in order, then the bucket in which the nucleus ends.
  __device__ __forceinline__ int draw_by_id() {
    const int parts = static_cast<int>(gridDim.x);
    Mass own = 0;
    for (int i = static_cast<int>(threadIdx.x); i < parts; i += threads) own += masses_[i];
    const Mass by_id = reduce_block<threads>(own, shared_.common.sums, Sum{});
    __syncthreads();
    Prefix start{}, end{};
    if (nucleus_) {
      start = {~bucket_prefix(border_) & 0x1fffu, detail::sample_key_bits - 13};
      const auto each = [this](const auto& f) { this->for_candidates(f); };
      end = detail::select(shared_, start, state_.last_unit - state_.above, each, [this](Mass key) { return weight_mass(weight_of(key)); });
    }
    return draw(
        start, [&](Mass key) { return end.reaches(key); }, by_id);
  }

  /// Draws from by_id units of mass in the order of ids, and behind them the candidates that are kept, by rank.
  template <class Keep>
  __device__ __forceinline__ int draw(Prefix start, const Keep& keep, Mass by_id) {
    const auto each = [this](const auto& f) { this->for_candidates(f); };
    const auto kept = [&](Mass key) {
      const float w = weight_of(key);
      return keep(key) && w >= min_p_ ? weight_mass(w) : 0;
    };
    const Mass by_rank = border_ >= 0 ? detail::sum_of(shared_, each, kept) : 0;
    const Mass unit = drawn_unit(options_.draw, by_id + by_rank);
    if (unit < by_id) return id_at(unit);
    return detail::id_of(shared_, detail::select(shared_, start, unit - by_id, each, kept), each, kept);
  }

  /// The token that holds this unit of the mass in the order of ids.
  __device__ __forceinline__ int id_at(Mass unit) {
    const detail::Crossing part =
        detail::find_crossing<threads>(shared_.common, static_cast<int>(gridDim.x), unit, [this](int i) { return masses_[i]; });
    __syncthreads();  // all have read where, and it is written again
    const int first = part.index * C.part, left = args_.logits.cols - first;
    const float* const row = args_.logits.row(static_cast<int>(blockIdx.y)) + first;
    const detail::Crossing token = detail::find_crossing<threads>(shared_.common, left < C.part ? left : C.part, unit - part.before,
                                                                  [&](int i) { return mass_by_id(weight(row[i])); });
    return first + token.index;
  }

  const Args& args_;
  Shared& shared_;
  const ops::SampleRow& options_;
  SampleState& state_;
  Mass *members_, *masses_;
  bool ranked_, nucleus_;
  float greatest_, temperature_, min_p_;  // in registers, whatever is written meanwhile
  int border_;
};

}  // namespace vernier::cuda
