// Probes of the GEMM kernels: whole Blocks, ragged shapes, against a sum in double.
#pragma once

#include "cuda/probe.hpp"
#include "vernier/gemm/mma_gemm.cuh"
#include "vernier/gemm/reference.hpp"
#include "vernier/quant/repack_mma.hpp"

namespace vernier::probes {

// A kernel of each kind, with blocks that share tiles, and groups of warps along k in all but one.

template <Arch A, Precision P, Precision Operand, int Part>
using PackedFew =
    cuda::MmaGemm<cuda::MmaConfig{.arch = A, .weight = P, .operand = Operand, .part = Part, .warps_k = 2, .stages = 3}, float>;
template <Arch A>
using PackedF16 = PackedFew<A, Precision::f16, Precision::f16, 0>;
template <Arch A>
using PackedBf16 = PackedFew<A, Precision::bf16, Precision::bf16, 0>;
template <Arch A>
using PackedI8 = PackedFew<A, Precision::i8, Precision::f16, 32>;
template <Arch A>
using PackedE4m3 = PackedFew<A, Precision::e4m3, Precision::f16, 64>;
template <Arch A>
using PackedE5m2 = PackedFew<A, Precision::e5m2, Precision::f16, 0>;
template <Arch A>
using PackedNf4 = PackedFew<A, Precision::nf4, Precision::f16, 64>;
template <Arch A>
using PackedNf4Exact =
    cuda::MmaGemm<cuda::MmaConfig{
                      .arch = A, .weight = Precision::nf4, .part = 64, .token_tiles = 2, .warps_n = 2, .warps_k = 1, .exact_nf4 = true},
                  float>;
template <Arch A>
using PackedI8I8 = PackedFew<A, Precision::i8, Precision::i8, 0>;
template <Arch A>
using PackedE4m3E4m3 = PackedFew<A, Precision::e4m3, Precision::e4m3, 0>;

/// W of random codes and scales.
inline PackedMatrix random_weights(int n, int k, WeightFormat format) {
  PackedMatrix w(n, k, format);
  visit_precision(format.precision, [&]<Precision P>() {
    std::vector<CodeOf<P>> codes(static_cast<std::size_t>(n * k));
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const std::uint32_t random = scramble(static_cast<std::uint32_t>(i) + 77);
      if constexpr (bits(P) == 16)
        codes[i] = TypeOf<P>::encode(static_cast<float>(random >> 8) * 0x1p-23f - 1.0f).bits;
      else
        codes[i] = static_cast<CodeOf<P>>(P == Precision::nf4 ? random % 16
                                          : is_fp8(P)         ? (random & 0x80u) | (random >> 8 & 0x3fu)
                                                              : random);
    }
    pack_codes<P>(w, 0, MatrixView<const CodeOf<P>>(codes.data(), n, k));
  });
  for (int i = 0; i < w.panel().panels() * w.scale_groups() * CpuPanel::rows; ++i)
    w.scales()[i] = static_cast<float>(scramble(static_cast<std::uint32_t>(i)) % 64 + 1) * 0x1p-6f;
  return w;
}

/// `steps`: nf4 in steps of 1/127, each off by half of one at the most.
template <template <Arch> class Probe, class X, Arch Least = Arch::sm80, class Machine>
Outcome probe_packed(Machine& machine, const char* name, WeightFormat format, bool steps = false) {
  constexpr int m = 13, n = 70, k = 1328;  // three segments, the last of five tiles
  Outcome outcome{.name = name};
  const PackedMatrix w = random_weights(n, k, format);
  const cuda::PackedWeights packed = cuda::repack_mma(w);
  std::vector<std::uint8_t> memory(packed.memory().begin(), packed.memory().end());
  std::vector<X> x(m * k);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float value = static_cast<float>(scramble(static_cast<std::uint32_t>(i)) >> 8) * 0x1p-23f - 1.0f;
    x[i] = X::encode(sizeof(X) == 1 ? 120 * value : value);
  }
  std::vector<float> y(m * n), x_scales(m, 0.5f), partials(std::size_t{1} << 17);
  std::vector<int> counters(16);
  using Kernel = Probe<Arch::sm90a>;
  const cuda::Grid grid{(m + Kernel::tile_m - 1) / Kernel::tile_m, (n + Kernel::tile_n - 1) / Kernel::tile_n, 2};
  const cuda::PackedGemmArgs<X, float, Identity> args{{machine.array(x), m, k},
                                                      machine.array(x_scales),
                                                      packed.view(machine.array(memory)),
                                                      {machine.array(y), m, n},
                                                      {machine.array(partials), machine.array(counters), 2},
                                                      {}};
  machine.template launch<Probe, Least>(grid, args);
  const double x_scale = sizeof(X) == 1 ? 0.5 : 1.0;
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      double want = 0, size = 0, step = 0;
      for (int c = 0; c < k; ++c) {
        const double token = x_scale * static_cast<double>(x[static_cast<std::size_t>(i * k + c)].decode());
        const double product = token * reference::weight(w.view(), j, c);
        want += product;
        size += std::fabs(product);
        step += std::fabs(token) * static_cast<double>(w.view().scale(j, c));
      }
      const double decoding = format.precision != Precision::nf4 ? 0 : steps ? step / 254 : 0x1p-11 * size;
      const double rounding = (std::is_same_v<X, e4m3> ? 0x1p-12 : 2 * k * 0x1p-23) * size;  // fp8 sums may keep 13 bits, see MmaConfig
      outcome.expect_near(want, static_cast<double>(y[static_cast<std::size_t>(i * n + j)]), rounding + decoding, at(i, j));
    }
  for (int i = 0; i < 16; ++i) outcome.expect_equal(0, counters[static_cast<std::size_t>(i)], "counter " + std::to_string(i));
  return outcome;
}

template <class Machine>
void probe_gemms(Machine& machine, std::vector<Outcome>& outcomes) {
  outcomes.push_back(probe_packed<PackedF16, f16>(machine, "GEMM of packed f16", {Precision::f16, Scaling::none, 0}));
  outcomes.push_back(probe_packed<PackedBf16, bf16>(machine, "GEMM of packed bf16", {Precision::bf16, Scaling::none, 0}));
  outcomes.push_back(probe_packed<PackedI8, f16>(machine, "GEMM of packed i8, scales per 32", {Precision::i8, Scaling::group, 32}));
  outcomes.push_back(
      probe_packed<PackedE4m3, f16>(machine, "GEMM of packed e4m3, scales per block", {Precision::e4m3, Scaling::block, 128}));
  outcomes.push_back(probe_packed<PackedE5m2, f16>(machine, "GEMM of packed e5m2", {Precision::e5m2, Scaling::row, 0}));
  outcomes.push_back(probe_packed<PackedNf4, f16>(machine, "GEMM of packed nf4", {Precision::nf4, Scaling::group, 64}, true));
  outcomes.push_back(probe_packed<PackedNf4Exact, f16>(machine, "GEMM of packed nf4, exact", {Precision::nf4, Scaling::group, 64}));
  outcomes.push_back(probe_packed<PackedI8I8, i8>(machine, "GEMM of packed i8 and int8", {Precision::i8, Scaling::row, 0}));
  if (machine.arch() >= Arch::sm89)
    outcomes.push_back(
        probe_packed<PackedE4m3E4m3, e4m3, Arch::sm89>(machine, "GEMM of packed e4m3 and e4m3", {Precision::e4m3, Scaling::row, 0}));
}

}  // namespace vernier::probes
