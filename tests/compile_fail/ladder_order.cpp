// expect: vernier::Ladder: thresholds must ascend
// expect: ladder_order<650, 350>
#include "vernier/router/ladder.hpp"

constexpr vernier::Ladder upside_down = [] {
  vernier::Ladder l = vernier::production;
  l.rungs[0].below = 0.65f;
  l.rungs[1].below = 0.35f;
  l.score.unknown = 0.7f;
  return l;
}();
static_assert(vernier::check<upside_down>());
