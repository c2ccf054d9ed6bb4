// Which tier a request gets: the one that it forces, the one that the command line fixed, or the router's choice.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/served.hpp"
#include "vernier/policy/tier.hpp"

namespace vernier::serve {

/// The tier with this name on the router's ladder. Throws Error if there is none.
Tier ladder_tier(std::string_view name_of_tier);

/// `tiers`: names, lowest first. `fixed`: one of them, or "auto". The function is thread-safe.
std::function<TierChoice(std::string_view, const std::string&)> make_chooser(std::vector<std::string> tiers, std::string fixed);

}  // namespace vernier::serve
