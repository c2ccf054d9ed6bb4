// See route.hpp.
#include "server/setup/route.hpp"

#include <algorithm>
#include <array>

#include "vernier/router/ladder.hpp"

namespace vernier::serve {

using Router = RequestRouter<production>;

Tier ladder_tier(std::string_view name_of_tier) {
  for (const Rung& rung : production.rungs)
    if (name(rung.tier) == name_of_tier) return rung.tier;
  fail("vernier-server", "tier ", name_of_tier, " is on no rung of the ladder");
}

std::function<TierChoice(std::string_view, const std::string&)> make_chooser(std::vector<std::string> tiers, std::string fixed) {
  std::array<int, 3> index{};  // in `tiers`, of each rung
  std::array<bool, 3> available{};
  for (std::size_t rung = 0; rung < production.rungs.size(); ++rung) {
    const auto found = std::find(tiers.begin(), tiers.end(), name(production.rungs[rung].tier));
    available[rung] = found != tiers.end();
    index[rung] = static_cast<int>(found - tiers.begin());
  }
  return [index, available, fixed = std::move(fixed)](std::string_view text, const std::string& forced) {
    const bool by_server = forced.empty() && fixed != "auto";
    const Decision decision = Router::route(text, {.forced = by_server ? fixed : forced, .available = available});
    TierChoice out;
    out.tier = index[decision.rung];
    out.score = std::clamp(static_cast<double>(decision.score.value), 0.0, 1.0);
    out.reason = by_server ? "fixed-by-server" : std::string(name(decision.reason));
    return out;
  };
}

}  // namespace vernier::serve
