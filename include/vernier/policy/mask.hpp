// Which keys a query may see, as a policy of attention. Masks are intervals of key positions: causal attention and its sliding-window
// form are; an arbitrary matrix of booleans is not, and has no place in a kernel that skips whole tiles.
#pragma once

#include <concepts>

#include "vernier/core/macros.hpp"

namespace vernier {

/// A mask names the keys [first_key(p), end_key(p)) that the query at position p sees. Both must lie in [0, p + 1], because later
/// keys may not be in the cache yet; an empty interval gives an output of zeros.
template <class M>
concept Mask = requires(const M mask, int position) {
  { mask.first_key(position) } -> std::convertible_to<int>;
  { mask.end_key(position) } -> std::convertible_to<int>;
};

/// Every key up to the query itself.
struct Causal {
  VERNIER_HD constexpr int first_key(int) const { return 0; }
  VERNIER_HD constexpr int end_key(int position) const { return position + 1; }
};

/// The query itself and the window - 1 keys before it. Needs window >= 1.
struct SlidingWindow {
  int window = 1;
  VERNIER_HD constexpr int first_key(int position) const { return position < window ? 0 : position - window + 1; }
  VERNIER_HD constexpr int end_key(int position) const { return position + 1; }
};

static_assert(Mask<Causal> && Mask<SlidingWindow>, "vernier::Mask: Causal and SlidingWindow are the masks of Llama-class models");

}  // namespace vernier
