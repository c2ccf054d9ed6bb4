// Routing as data: a rule is a kernel config and the largest batch it is meant for. What is done with rules is in router/select.hpp.
#pragma once

#include <limits>

namespace vernier {

inline constexpr int any_m = std::numeric_limits<int>::max();

/// Use `config` for problems of up to max_m tokens, unless an earlier rule of the same key (config.key()) fits.
template <class Config>
struct Rule {
  Config config{};
  int max_m = any_m;
};

/// A table of rules: `static constexpr std::array rules`, tried in order.
template <class T>
concept RuleTable = requires {
  T::rules.size();
  T::rules[0].config.key();
  T::rules[0].max_m;
};

}  // namespace vernier
