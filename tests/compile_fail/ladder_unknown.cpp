// expect: vernier::Ladder: `unknown` must lead to the middle tier
#include "vernier/router/ladder.hpp"

constexpr vernier::Ladder optimistic = [] {
  vernier::Ladder l = vernier::production;
  l.score.unknown = 0;
  return l;
}();
static_assert(vernier::check<optimistic>());
