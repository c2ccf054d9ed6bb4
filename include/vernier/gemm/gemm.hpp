// y = epilogue(x * W^T) on the CPU: the entry. Checks shapes and picks kernels from the routing table; the work is split in job.hpp.
// The arithmetic is in cpu/micro_*.hpp, the definition of correct in gemm/reference.hpp.
#pragma once

#include <string_view>
#include <type_traits>

#include "vernier/core/error.hpp"
#include "vernier/gemm/job.hpp"

namespace vernier::cpu {

/// How to run a GEMM. The defaults decode every weight exactly and multiply in float.
struct GemmOptions {
  Multiply multiply = Multiply::f32;
  ActivationScaling activation_scaling = ActivationScaling::group;  // of Multiply::i8
  Isa isa = selected_isa();
};

namespace detail {

template <class T>
void expect_product(const ThreadPool& pool, MatrixView<const T> x, const PackedView& w, MatrixView<float> y) {
  constexpr std::string_view where = "vernier::cpu::gemm";
  expect(y.rows == x.rows && y.cols == w.n, where, "y is ", y.rows, " x ", y.cols, ", expected m x n = ", x.rows, " x ", w.n);
  expect((w.codes != nullptr || w.source != nullptr) && w.n > 0 && w.k > 0, where, "W is empty: n = ", w.n, ", k = ", w.k);
  expect(w.codes != nullptr || panels_stand_alone(w.format), where, "W is not packed, and panels of ", to_string(w.format),
         " cannot be made one by one");
  expect(x.cols == w.k, where, "x has ", x.cols, " columns, W has k = ", w.k);
  if (w.source != nullptr) w.source->expect_workers(pool.size());
}

template <RuleTable Table, class T>
GemmJob<T> prepare(ThreadPool& pool, MatrixView<const T> x, Precision p, GemmWorkspace& workspace, const GemmOptions& options) {
  constexpr std::string_view where = "vernier::cpu::gemm";
  expect(x.rows >= 0 && (x.data != nullptr || x.rows == 0), where, "x has ", x.rows, " rows and ", x.data != nullptr ? "some" : "no",
         " data");
  expect(options.isa <= features().isa, where, "this machine has no ", name(options.isa), "; the most it runs is ", name(features().isa));
  expect(supports(options.multiply, p), where, "no ", name(options.multiply), " multiply for ", name(p),
         " weights; use Multiply::f32, which takes every format");
  expect(supports(options.isa, options.multiply), where, "no ", name(options.multiply), " multiply on ", name(options.isa),
         "; use Multiply::f32, which every instruction set has");
  const bool lacks_bf16 = options.multiply == Multiply::bf16 && options.isa == Isa::avx512 && !features().avx512_bf16;
  const Isa isa = lacks_bf16 ? Isa::avx2 : options.isa;
  const KernelSet* kernels = GemmRouter<Table>::route({isa, p, options.multiply}, x.rows);
  expect(kernels != nullptr, where, "the routing table has no rule for ", name(isa), ", ", name(p), ", ", name(options.multiply));
  const int group = options.multiply == Multiply::i8    ? activation_group(p)
                    : options.multiply == Multiply::i16 ? int16_group
                                                        : activation_span;
  const TokenTiles tiles{x.rows, kernels->config.tile_m, round_up(x.cols, group), group};
  workspace.reserve(tiles, pool.size(), kernels->decode != nullptr);
  GemmJob<T> job{x, tiles, x.cols % CpuPanel::pack(p) != 0, kernels, &workspace, options.activation_scaling};
  if (x.rows == 1) job.distance = fetch_distance(features());
  const CpuPanel panel{p, CpuPanel::rows, x.cols};
  job.panel_k = panel.padded_k();
  job.panel_bytes = panel.panel_bytes();
  return job;
}

}  // namespace detail

/// y = epilogue(x * W^T) for each of `products`, which share x: it is converted once, and the workers meet once. x: (m, k) float, bf16 or
/// f16, row-major. All W are of one precision and have k columns.
///
/// Every y(token, row) is the same to the last bit whatever else is in the batch and however many threads run: its sum depends on k and on
/// the instruction set alone. NaN and infinity in x reach y (through int8, both as NaN). Views must stay valid during the call; y must
/// not overlap x. Where all W have equally many rows, an epilogue may read what an earlier product has stored at its own element: a gated
/// unit is two products. One call at a time per pool and workspace; nothing is allocated once the workspace has seen a problem of this
/// size. Where a W has a source instead of codes, each panel is made when its turn comes. Table holds the kernels to choose from;
/// gemm<MyTable>(...) brings your own. Throws Error, before anything is written, when shapes do not match or the multiply does not suit the
/// weights; what a source throws comes when y is written in part.
template <RuleTable Table = DefaultGemmTable, class X, Epilogue First, Epilogue... Others>
requires Activation<std::remove_const_t<X>>
void gemm(ThreadPool& pool, MatrixView<X> x, GemmWorkspace& workspace, const GemmOptions& options, const Product<First>& first,
          const Product<Others>&... others) {
  using T = std::remove_const_t<X>;
  const Precision p = first.w.format.precision;
  detail::expect_product<T>(pool, x, first.w, first.y);
  (detail::expect_product<T>(pool, x, others.w, others.y), ...);
  expect(((others.w.format.precision == p) && ...), "vernier::cpu::gemm", "products of one call need weights of one precision, ", name(p));
  const detail::GemmJob<T> job = detail::prepare<Table, T>(pool, x, p, workspace, options);
  if (x.rows == 0) return;
  job.run(pool, first, others...);
}

/// One product. See above.
template <RuleTable Table = DefaultGemmTable, class X, Epilogue E = Identity>
requires Activation<std::remove_const_t<X>>
void gemm(ThreadPool& pool, MatrixView<X> x, const PackedView& w, MatrixView<float> y, GemmWorkspace& workspace,
          const GemmOptions& options = {}, const E& epilogue = {}) {
  gemm<Table>(pool, x, workspace, options, Product<E>{w, y, epilogue});
}

}  // namespace vernier::cpu
