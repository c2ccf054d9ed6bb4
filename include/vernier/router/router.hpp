// From a problem to its micro-kernels through a routing table. The only place where table and kernels meet.
// Compiling every kernel takes seconds; a program of several translation units includes gemm/precompiled.hpp and pays once.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "vernier/gemm/kernels.hpp"
#include "vernier/router/select.hpp"
#include "vernier/router/table_cpu.hpp"

namespace vernier::cpu {

namespace detail {

/// The kernels of C, or nothing when C belongs to another instruction set.
template <GemmConfig C, Isa I>
constexpr KernelSet kernel_set_for() {
  if constexpr (C.isa == I)
    return kernel_set<C>();
  else
    return {};
}

}  // namespace detail

/// The kernels of Table for one instruction set: the unit of explicit instantiation.
template <RuleTable Table, Isa I>
struct IsaKernels {
  /// The kernels of rule `rule`, whose config must be of this instruction set.
  static const KernelSet& of(std::size_t rule);
};

// Outside the class, hence not inline: an `extern template` then keeps the kernels out of a translation unit.
template <RuleTable Table, Isa I>
const KernelSet& IsaKernels<Table, I>::of(std::size_t rule) {
  static constexpr auto sets = []<std::size_t... R>(std::index_sequence<R...>) {
    return std::array{detail::kernel_set_for<Table::rules[R].config, I>()...};
  }
  (std::make_index_sequence<Table::rules.size()>{});
  return sets[rule];
}

/// Routes by Table. Every config of the table is compiled, equal ones once.
template <RuleTable Table>
struct GemmRouter {
  /// The kernels for m tokens of `key`. Null when the table has none.
  static const KernelSet* route(const GemmKey& key, int m) {
    const std::size_t rule = select<Table>(key, m);
    if (rule == Table::rules.size()) return nullptr;
    switch (key.isa) {
      case Isa::scalar: return &IsaKernels<Table, Isa::scalar>::of(rule);
      case Isa::avx2: return &IsaKernels<Table, Isa::avx2>::of(rule);
      case Isa::avx512: return &IsaKernels<Table, Isa::avx512>::of(rule);
    }
    return nullptr;
  }
};

}  // namespace vernier::cpu
