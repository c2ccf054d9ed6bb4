// expect: vernier::Ladder: each weight of the score must be from 0 to 1
#include <limits>

#include "vernier/router/ladder.hpp"

constexpr vernier::Ladder broken = [] {
  vernier::Ladder l = vernier::production;
  l.score.math = std::numeric_limits<float>::quiet_NaN();
  return l;
}();
static_assert(vernier::check<broken>());
