// expect: vernier::Ladder: the last tier takes every score that is left
#include "vernier/router/ladder.hpp"

constexpr vernier::Ladder bounded = [] {
  vernier::Ladder l = vernier::production;
  l.rungs[2].below = 0.9f;
  return l;
}();
static_assert(vernier::check<bounded>());
