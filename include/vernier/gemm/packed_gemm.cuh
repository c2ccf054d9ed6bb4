// y = epilogue(x * W^T) on a CUDA device, W in any format: the entry. Picks a kernel from the routing table; the kernels are in
// mma_gemm.cuh, correct is gemm/reference.hpp. Compiling all kernels of a
// precision takes a while: see MmaRouter.
#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

#include "vernier/core/error.hpp"
#include "vernier/gemm/mma_launch.cuh"
#include "vernier/router/table_cuda.hpp"

namespace vernier::cuda {

namespace detail {

/// The precision whose code type X is.
template <class X>
constexpr Precision operand_of() {
  if constexpr (std::is_same_v<X, bf16>)
    return Precision::bf16;
  else if constexpr (std::is_same_v<X, i8>)
    return Precision::i8;
  else if constexpr (std::is_same_v<X, e4m3>)
    return Precision::e4m3;
  else {
    static_assert(std::is_same_v<X, f16>, "vernier::cuda::gemm: activations are f16, bf16, i8 or e4m3");
    return Precision::f16;
  }
}

/// What a kernel must be made for to multiply w with activations of `operand`.
inline MmaKey key_of(Arch arch, const WeightView& w, Precision operand) {
  int part = 0;
  if (w.scale_group != 0) part = w.scale_group == 32 ? 32 : operand == Precision::e4m3 ? 128 : 64;
  return {arch, w.format.precision, operand, part};
}

/// The rule of Table for this product. Throws Error where there is none.
template <class Table>
std::size_t rule_of(Arch arch, const WeightView& w, Precision operand, int tokens) {
  const std::size_t rule = select<Table>(key_of(arch, w, operand), tokens);
  expect(rule != Table::rules.size(), "vernier::cuda::gemm", "the routing table has no kernel on ", name(arch), " for ",
         to_string(w.format), " weights and ", name(operand), " activations");
  return rule;
}

}  // namespace detail

/// The activations X and the results Y of a product, which are named together as Y(X).
template <class Io>
struct ProductTypes;
template <class Result, class Activation>
struct ProductTypes<Result(Activation)> {
  using X = Activation;
  using Y = Result;
};

/// The kernels of Table for weights of precision P, activations and results Io and one epilogue: the unit of explicit instantiation.
template <class Table, Precision P, class Io, class E>
struct MmaRouter {
  using X = typename ProductTypes<Io>::X;
  using Y = typename ProductTypes<Io>::Y;

  /// Runs rule `rule`, whose config must be of P and X.
  static void run(std::size_t rule, const Activations<X>& x, const WeightView& w, MatrixView<Y> y, const GemmOptions& options,
                  const E& epilogue);
};

// Outside the class, hence not inline: an `extern template` then keeps the kernels out of a translation unit.
template <class Table, Precision P, class Io, class E>
void MmaRouter<Table, P, Io, E>::run(std::size_t rule, const Activations<X>& x, const WeightView& w, MatrixView<Y> y,
                                     const GemmOptions& options, const E& epilogue) {
  const auto attempt = [&]<std::size_t R>(std::integral_constant<std::size_t, R>) {
    constexpr MmaConfig config = Table::rules[R].config;
    if constexpr (config.weight == P && config.operand == detail::operand_of<X>())
      if (rule == R) gemm_with<config>(x, w, y, options, epilogue);
  };
  [&]<std::size_t... R>(std::index_sequence<R...>) { (attempt(std::integral_constant<std::size_t, R>{}), ...); }
  (std::make_index_sequence<Table::rules.size()>{});
}

/// y = epilogue(x * w^T) on the current device, which is of options.arch.
///
/// x: (m, k) in f16, in bf16 for bf16 weights, or, for weights in the same format, in i8 or e4m3 with a float scale per token (e4m3 from
/// sm89 on). Its rows are 16-byte aligned, and k is a multiple of 16 bytes. y: (m, n) in float, f16 or bf16, or codes of i8 or e4m3 with
/// InUnits as the last epilogue, row-major; (m, n / 2) with an epilogue of two sums, such as SwiGlu, for gated weights. An epilogue is
/// called once for each element, by the thread that stores it, so that a residual may be y.
///
/// A result is the same to the last bit whatever else is in the batch and on however many blocks the product runs. nf4 is decoded in steps
/// of 1/127 of its absmax, or as f16 where the table's config says exact_nf4; all other formats exactly. Everything must stay valid until
/// the stream has passed the product; y must not overlap x. Nothing is allocated and nothing is waited for. Throws Error, and launches
/// nothing, where shapes do not match or the table has no kernel for the operands.
template <class Table = DefaultMmaTable, class X, class Y, class E = Identity>
void gemm(const Activations<X>& x, const WeightView& w, MatrixView<Y> y, const GemmOptions& options = {}, const E& epilogue = {}) {
  constexpr Precision operand = detail::operand_of<X>();
  const std::size_t rule = detail::rule_of<Table>(options.arch, w, operand, x.codes.rows);
  visit_precision(w.format.precision, [&]<Precision P>() {
    if constexpr (multiplies(P, operand)) MmaRouter<Table, P, Y(X), E>::run(rule, x, w, y, options, epilogue);
  });
}
/// The same for activations of 16 bits.
template <class Table = DefaultMmaTable, class X, class Y, class E = Identity>
void gemm(MatrixView<X> x, const WeightView& w, MatrixView<Y> y, const GemmOptions& options = {}, const E& epilogue = {}) {
  gemm<Table>(Activations<std::remove_const_t<X>>{x}, w, y, options, epilogue);
}
/// The same for weights of precision P alone, whose kernels are all that it compiles.
template <class Table, Precision P, class Io, class E>
void gemm_of(const Activations<typename ProductTypes<Io>::X>& x, const WeightView& w, MatrixView<typename ProductTypes<Io>::Y> y,
             const GemmOptions& options, const E& epilogue) {
  expect(w.format.precision == P, "vernier::cuda::gemm", "weights in ", name(w.format.precision), " for kernels of ", name(P));
  const std::size_t rule = detail::rule_of<Table>(options.arch, w, detail::operand_of<typename ProductTypes<Io>::X>(), x.codes.rows);
  MmaRouter<Table, P, Io, E>::run(rule, x, w, y, options, epilogue);
}

}  // namespace vernier::cuda
