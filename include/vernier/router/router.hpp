// From a problem to its micro-kernels through a routing table. The only place where table and kernels meet.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "vernier/gemm/kernels.hpp"
#include "vernier/router/select.hpp"
#include "vernier/router/table_cpu.hpp"

namespace vernier::cpu {

/// Routes by Table. Every config of the table is compiled, equal ones once.
template <RuleTable Table>
struct GemmRouter {
  /// The kernels for m tokens of `key`. Null when the table has none.
  static const KernelSet* route(const GemmKey& key, int m) {
    static constexpr auto sets = []<std::size_t... I>(std::index_sequence<I...>) {
      return std::array{kernel_set<Table::rules[I].config>()...};
    }
    (std::make_index_sequence<Table::rules.size()>{});
    const std::size_t i = select<Table>(key, m);
    return i < sets.size() ? &sets[i] : nullptr;
  }
};

}  // namespace vernier::cpu
