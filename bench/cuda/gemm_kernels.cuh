// The kernels behind gemm_call.cuh. Included by the files that compile them alone: bench/cuda/CMakeLists.txt writes one for each format.
#pragma once

#include <array>
#include <type_traits>

#include "cuda/gemm_call.cuh"
#include "vernier/gemm/packed_gemm.cuh"

namespace vernier::bench {

/// The rules of the default table for one architecture, with nf4 decoded in the one way or in the other.
template <Arch A, bool ExactNf4>
struct GemmTable {
  static constexpr auto rules = [] {
    constexpr auto& all = cuda::DefaultMmaTable::rules;
    constexpr std::size_t count = [] {
      std::size_t n = 0;
      for (const cuda::MmaRule& rule : all) n += rule.config.arch == A ? 1 : 0;
      return n;
    }();
    std::array<cuda::MmaRule, count> kept{};
    std::size_t n = 0;
    for (cuda::MmaRule rule : all) {
      if (rule.config.arch != A) continue;
      rule.config.exact_nf4 = ExactNf4 && rule.config.weight == Precision::nf4;
      kept[n++] = rule;
    }
    return kept;
  }();
};

namespace detail {

/// cuda::gemm() with the kernels of W alone.
template <class Table, Precision W, Precision X, Precision Y>
void gemm_with_types(const GemmCall& c) {
  const cuda::Activations<TypeOf<X>> x{{static_cast<const TypeOf<X>*>(c.x), c.m, c.w.k}, c.x_scales};
  const MatrixView<TypeOf<Y>> y(static_cast<TypeOf<Y>*>(c.y), c.m, c.w.n);
  cuda::gemm_of<Table, W, TypeOf<Y>(TypeOf<X>)>(x, c.w, y, c.options, Identity{});
}

template <Precision W, class Table>
void gemm_with_table(const GemmCall& c) {
  if constexpr (W == Precision::bf16) return gemm_with_types<Table, W, Precision::bf16, Precision::bf16>(c);
  if constexpr (W == Precision::i8 || W == Precision::e4m3)
    if (c.operand == W) return gemm_with_types<Table, W, W, Precision::f16>(c);
  if constexpr (W != Precision::bf16) gemm_with_types<Table, W, Precision::f16, Precision::f16>(c);
}

template <Precision W, Arch A>
void gemm_on(const GemmCall& c) {
  if constexpr (W == Precision::nf4)
    if (c.exact_nf4) return gemm_with_table<W, GemmTable<A, true>>(c);
  gemm_with_table<W, GemmTable<A, false>>(c);
}

}  // namespace detail

template <Precision W>
void GemmKernels<W>::run(const GemmCall& c) {
  switch (c.options.arch) {
    case Arch::sm80: return detail::gemm_on<W, Arch::sm80>(c);
    case Arch::sm89: return detail::gemm_on<W, Arch::sm89>(c);
    default: return detail::gemm_on<W, Arch::sm90a>(c);
  }
}

}  // namespace vernier::bench
