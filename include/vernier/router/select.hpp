// Picks a rule from a table: pure, constexpr, and provably total. Knows nothing about kernels.
#pragma once

#include <cstddef>

#include "vernier/policy/rules.hpp"

namespace vernier {

/// The index of the first rule of Table for `key` that takes m tokens; Table::rules.size() when there is none.
template <RuleTable Table, class Key>
constexpr std::size_t select(const Key& key, int m) {
  for (std::size_t i = 0; i < Table::rules.size(); ++i)
    if (Table::rules[i].config.key() == key && m <= Table::rules[i].max_m) return i;
  return Table::rules.size();
}

/// Whether each of `keys` has a rule for every m: then select() never fails for them.
template <RuleTable Table, class Keys>
constexpr bool has_catch_all(const Keys& keys) {
  for (const auto& key : keys)
    if (select<Table>(key, any_m) == Table::rules.size()) return false;
  return true;
}

/// Whether every rule can be reached: none stands behind one of the same key that takes at least as many tokens.
template <RuleTable Table>
constexpr bool all_reachable() {
  for (std::size_t i = 0; i < Table::rules.size(); ++i)
    if (select<Table>(Table::rules[i].config.key(), Table::rules[i].max_m) != i) return false;
  return true;
}

}  // namespace vernier
