// Probes of the GEMM kernels: whole Blocks, ragged shapes, against a sum in double.
#pragma once

#include "cuda/probe.hpp"
#include "vernier/gemm/sm80.cuh"

namespace vernier::probes {

template <Arch A>
using GemmF16 = cuda::GemmSm80<cuda::GemmConfig{.arch = A}, f16>;
template <Arch A>
using GemmBf16 = cuda::GemmSm80<cuda::GemmConfig{.arch = A, .tile_k = 64, .stages = 4}, bf16>;

template <template <Arch> class Probe, class T, class Machine>
Outcome probe_gemm(Machine& machine, const char* name) {
  constexpr int m = 70, n = 100, k = 136;
  Outcome outcome{.name = name};
  std::vector<T> x(m * k), w(n * k);
  std::vector<float> y(m * n);
  const auto value = [](std::size_t i) {
    return T::encode(static_cast<float>(scramble(static_cast<std::uint32_t>(i)) >> 8) * 0x1p-23f - 1.0f);
  };
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = value(i);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = value(i + x.size());
  const cuda::GemmArgs<T, Identity> args{{machine.array(x), m, k}, {machine.array(w), n, k}, {machine.array(y), m, n}, {}};
  machine.template launch<Probe>({2, 2}, args);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      double want = 0, size = 0;
      for (int c = 0; c < k; ++c) {
        const double product = static_cast<double>(x[static_cast<std::size_t>(i * k + c)].decode()) *
                               static_cast<double>(w[static_cast<std::size_t>(j * k + c)].decode());
        want += product;
        size += std::fabs(product);
      }
      const double bound = 2 * k * 0x1p-23 * size;  // every addition may truncate, and align its terms to the largest
      outcome.expect_near(want, static_cast<double>(y[static_cast<std::size_t>(i * n + j)]), bound, at(i, j));
    }
  return outcome;
}

template <class Machine>
void probe_gemms(Machine& machine, std::vector<Outcome>& outcomes) {
  outcomes.push_back(probe_gemm<GemmF16, f16>(machine, "GEMM f16"));
  outcomes.push_back(probe_gemm<GemmBf16, bf16>(machine, "GEMM bf16"));
}

}  // namespace vernier::probes
