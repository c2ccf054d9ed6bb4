// The table of CUDA GEMM kernels, and the entry that routes by it.
#include "cuda/packed_gemm_support.hpp"
#include "vernier/gemm/packed_gemm.cuh"

namespace vernier::cuda {
namespace {

template <std::size_t R>
constexpr bool works() {
  return check<DefaultMmaTable::rules[R].config>();
}
template <std::size_t... R>
constexpr bool all_work(std::index_sequence<R...>) {
  return (works<R>() && ...);
}
static_assert(all_work(std::make_index_sequence<DefaultMmaTable::rules.size()>{}));

constexpr MmaKey nf4_key{Arch::sm80, Precision::nf4, Precision::f16, 64};

TEST(MmaTable, MoreTokensGetLargerTiles) {
  for (const MmaKey& key : all_mma_keys) {
    const auto tile = [&](int m) { return DefaultMmaTable::rules[select<DefaultMmaTable>(key, m)].config.tile_m(); };
    EXPECT_EQ(tile(1), 8);
    EXPECT_EQ(tile(8), 8);
    EXPECT_EQ(tile(9), 32);
    EXPECT_EQ(tile(32), 32);
    EXPECT_GE(tile(33), 64);
  }
}

TEST(MmaTable, EveryFormatHasAKernel) {
  for (const Arch arch : {Arch::sm80, Arch::sm89, Arch::sm90a})
    for (const Precision p : all_precisions)
      for (const Scaling s : all_scalings)
        for (const int group : {0, 32, 64, 96, 128}) {
          const WeightFormat format{p, s, group};
          if (!why_unsupported(format).empty()) continue;
          const PackedWeights w(16, 256, format);
          const auto has = [&](Precision operand) {
            return select<DefaultMmaTable>(detail::key_of(arch, w.view(), operand), 1) != DefaultMmaTable::rules.size();
          };
          EXPECT_TRUE(has(p == Precision::bf16 ? Precision::bf16 : Precision::f16)) << to_string(format);
          EXPECT_EQ(has(Precision::i8), p == Precision::i8) << to_string(format);
          EXPECT_EQ(has(Precision::e4m3), p == Precision::e4m3 && arch != Arch::sm80) << to_string(format);
        }
}

/// The kernels of nf4 on sm80 alone: the whole table would take minutes to compile.
struct Nf4Table {
  static constexpr std::array rules = {MmaRule{MmaKernels::few(nf4_key), 8}, MmaRule{MmaKernels::many(nf4_key)}};
};

TEST(PackedGemmRouting, RunsTheKernelOfTheTable) {
  for (const int m : {3, 9}) {
    const test::PackedProblem<f16> p(m, 20, 72, {Precision::nf4, Scaling::group, 64});
    simt::session() = {};
    std::vector<float> y(static_cast<std::size_t>(m * 20)), want(y.size());
    gemm<Nf4Table>(MatrixView<const f16>(p.x.data(), m, 72, p.stride), p.packed.view(), MatrixView<float>(y.data(), m, 20));
    gemm_with<MmaConfig{.weight = Precision::nf4, .part = 64}>(p.view(), p.packed.view(), MatrixView<float>(want.data(), m, 20));
    EXPECT_EQ(y, want);
  }
}

TEST(PackedGemmRouting, RefusesByName) {
  const test::PackedProblem<f16> f(1, 16, 64, {Precision::f16, Scaling::none, 0});
  std::vector<float> y(16);
  const auto said = [&](const auto& x, const WeightView& w, Arch arch) -> std::string {
    try {
      gemm<Nf4Table>(x, w, MatrixView<float>(y.data(), 1, 16), {.arch = arch});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(said(f.view(), f.packed.view(), Arch::sm80),
            "vernier::cuda::gemm: the routing table has no kernel on sm80 for f16/none weights and f16 activations");
  const test::PackedProblem<e4m3> e(1, 16, 64, {Precision::e4m3, Scaling::row, 0});
  EXPECT_NE(said(e.view(), e.packed.view(), Arch::sm80).find("on sm80 for e4m3"), std::string::npos);
}

}  // namespace
}  // namespace vernier::cuda
