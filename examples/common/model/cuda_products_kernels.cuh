// The kernels behind cuda_products.cuh. Included by the files that compile them alone: examples/CMakeLists.txt writes one for each
// architecture and format of weights.
#pragma once

#include <algorithm>
#include <array>

#include "common/model/cuda_products.cuh"
#include "vernier/core/error.hpp"
#include "vernier/gemm/packed_gemm.cuh"
#include "vernier/policy/epilogue.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/int8.hpp"

namespace vernier::model {

/// x + bias[col], where there is a bias.
struct CudaMaybeBias {
  const float* bias = nullptr;
  VERNIER_HD float operator()(float x, int, int col) const { return bias != nullptr ? x + bias[col] : x; }
};

/// The rules of the default table that a forward uses on one architecture.
template <Arch A>
struct CudaProductTable {
  static constexpr bool has(const cuda::MmaConfig& c) {
    return c.arch == A && c.operand != Precision::e4m3 && (c.operand != Precision::i8 || c.part == 0);
  }
  static constexpr auto rules = [] {
    constexpr std::size_t count = [] {
      std::size_t n = 0;
      for (const cuda::MmaRule& rule : cuda::DefaultMmaTable::rules) n += has(rule.config) ? 1 : 0;
      return n;
    }();
    std::array<cuda::MmaRule, count> kept{};
    std::size_t n = 0;
    for (const cuda::MmaRule& rule : cuda::DefaultMmaTable::rules)
      if (has(rule.config)) kept[n++] = rule;
    return kept;
  }();
};

/// use(activations of the operand's type), for the operands that weights in W are multiplied with.
template <Precision W, class Use>
void visit_operand(const CudaProduct& p, Use&& use) {
  if constexpr (W == Precision::i8)
    if (p.operand == Precision::i8) return use(cuda::Activations<i8>{p.x.as<const i8>(), p.x.scales});
  expect(p.operand == (W == Precision::bf16 ? Precision::bf16 : Precision::f16), "vernier::model::CudaProducts", name(W),
         " weights are not multiplied with activations in ", name(p.operand));
  if constexpr (W == Precision::bf16)
    use(cuda::Activations<bf16>{p.x.as<const bf16>()});
  else
    use(cuda::Activations<f16>{p.x.as<const f16>()});
}

/// cuda::gemm() with the kernels of W alone: gemm() itself would bring those of all formats into every file.
template <Arch A, Precision W, class X, class Y, class E>
void run_product(const CudaProduct& p, const cuda::Activations<X>& x, const MatrixView<Y>& y, const E& epilogue) {
  cuda::gemm_of<CudaProductTable<A>, W, Y(X)>(x, p.w, y, p.options, epilogue);
}

template <Arch A, Precision W>
void CudaProducts<A, W>::store(const CudaProduct& p, MatrixView<float> y) {
  visit_operand<W>(p, [&](const auto& x) { run_product<A, W>(p, x, y, CudaMaybeBias{p.bias}); });
}

template <Arch A, Precision W>
void CudaProducts<A, W>::add(const CudaProduct& p, MatrixView<float> y) {
  using Add = Then<CudaMaybeBias, AddResidual>;
  visit_operand<W>(p, [&](const auto& x) { run_product<A, W>(p, x, y, Add{{p.bias}, {y}}); });
}

template <Arch A, Precision W>
void CudaProducts<A, W>::swiglu(const CudaProduct& p, CudaRows y) {
  visit_operand<W>(p, [&]<class X>(const cuda::Activations<X>& x) {
    using Y = std::conditional_t<std::is_same_v<X, i8>, float, X>;
    run_product<A, W>(p, x, y.as<Y>(), cuda::SwiGlu{});
  });
}

}  // namespace vernier::model
