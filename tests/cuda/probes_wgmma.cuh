// Probes of wgmma: types, widths, and the ways in which its operands may lie in shared memory.
#pragma once

#include "cuda/layouts.hpp"
#include "cuda/probe.hpp"
#include "cuda/probes_bulk.cuh"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/fp8.hpp"

namespace vernier::probes {

struct WgmmaArgs {
  const std::uint8_t *a, *b;  // images of shared memory
  float* d;                   // (thread, element), read and written
};

/// A row of an operand, which is all of k.
VERNIER_HD constexpr int row_bytes_of(cuda::Swizzle swizzle) { return swizzle == cuda::Swizzle::none ? 64 : cuda::swizzle_bytes(swizzle); }

/// All of k in one group, 32 bytes at a time. What it loops over is known to the compiler, which would wait between the steps otherwise.
template <Arch A, class T, int N, cuda::Swizzle S = cuda::Swizzle::b128>
struct WgmmaProduct {
  using Args = WgmmaArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 128, row_bytes = row_bytes_of(S), a_bytes = 64 * row_bytes, shared_bytes = a_bytes + N * row_bytes;
  __device__ static void run(const Args& args, unsigned char* raw) {
    const int t = static_cast<int>(threadIdx.x);
    for (int i = t; i < 64 * row_bytes; i += threads) raw[i] = args.a[i];
    for (int i = t; i < N * row_bytes; i += threads) raw[a_bytes + i] = args.b[i];
    cuda::fence_proxy_async();
    __syncthreads();
    float d[N / 2];
#pragma unroll
    for (int i = 0; i < N / 2; ++i) d[i] = args.d[N / 2 * t + i];
    cuda::wgmma_fence();
#pragma unroll
    for (int k = 0; k < row_bytes; k += 32) {
      const std::uint64_t a = descriptor(raw, 64, k), b = descriptor(raw + a_bytes, N, k);
      if constexpr (N == 64) {
        if constexpr (sizeof(T) == 1) cuda::wgmma_m64n64k32_e4m3(d, a, b);
        if constexpr (std::is_same_v<T, f16>) cuda::wgmma_m64n64k16_f16(d, a, b);
        if constexpr (std::is_same_v<T, bf16>) cuda::wgmma_m64n64k16_bf16(d, a, b);
      } else {
        if constexpr (sizeof(T) == 1) cuda::wgmma_m64n128k32_e4m3(d, a, b);
        if constexpr (std::is_same_v<T, f16>) cuda::wgmma_m64n128k16_f16(d, a, b);
        if constexpr (std::is_same_v<T, bf16>) cuda::wgmma_m64n128k16_bf16(d, a, b);
      }
    }
    cuda::wgmma_commit();
    cuda::wgmma_wait<0>();
#pragma unroll
    for (int i = 0; i < N / 2; ++i) args.d[N / 2 * t + i] = d[i];
  }
  /// Byte k of a matrix of so many rows.
  __device__ static std::uint64_t descriptor(const unsigned char* matrix, int rows, int k) {
    if (S == cuda::Swizzle::none) return cuda::wgmma_descriptor(matrix + rows * k, 128, S, 16 * rows);
    return cuda::wgmma_descriptor(matrix, 8 * row_bytes, S) + static_cast<std::uint64_t>(k / 16);
  }
};
template <Arch A>
using WgmmaF16N64 = WgmmaProduct<A, f16, 64>;
template <Arch A>
using WgmmaF16N128 = WgmmaProduct<A, f16, 128>;
template <Arch A>
using WgmmaBf16N64 = WgmmaProduct<A, bf16, 64>;
template <Arch A>
using WgmmaBf16N128 = WgmmaProduct<A, bf16, 128>;
template <Arch A>
using WgmmaE4m3N64 = WgmmaProduct<A, e4m3, 64>;
template <Arch A>
using WgmmaE4m3N128 = WgmmaProduct<A, e4m3, 128>;
template <Arch A>
using WgmmaSwizzle64 = WgmmaProduct<A, f16, 64, cuda::Swizzle::b64>;
template <Arch A>
using WgmmaSwizzle32 = WgmmaProduct<A, f16, 64, cuda::Swizzle::b32>;
template <Arch A>
using WgmmaNoSwizzle = WgmmaProduct<A, f16, 64, cuda::Swizzle::none>;

/// Where byte `k` of a row lies: rows swizzled as a tensor copy does, or, without a swizzle, columns of 16-byte chunks.
inline int operand_byte(cuda::Swizzle swizzle, int rows, int row_bytes, int row, int k) {
  if (swizzle == cuda::Swizzle::none) return k / 16 * 16 * rows + 16 * row + k % 16;
  return row * row_bytes + 16 * swizzled_chunk(swizzle, row, k / 16) + k % 16;
}

template <template <Arch> class Probe, class T, class Machine>
Outcome probe_wgmma(Machine& machine, const char* name, int n, cuda::Swizzle swizzle = cuda::Swizzle::b128) {
  Outcome outcome{.name = name};
  const int row_bytes = row_bytes_of(swizzle), size = sizeof(T), k = row_bytes / size;
  const auto value = [k](int matrix, int row, int col) {  // integers, so that sums are exact
    return static_cast<int>(scramble(static_cast<std::uint32_t>((matrix * 128 + row) * k + col)) % 15) - 7;
  };
  const auto image = [&](int matrix, int rows) {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(rows * row_bytes));
    for (int row = 0; row < rows; ++row)
      for (int col = 0; col < k; ++col) {
        const auto code = T::encode(static_cast<float>(value(matrix, row, col))).bits;
        for (int b = 0; b < size; ++b)
          bytes[static_cast<std::size_t>(operand_byte(swizzle, rows, row_bytes, row, size * col + b))] =
              static_cast<std::uint8_t>(code >> 8 * b);
      }
    return bytes;
  };
  std::vector<std::uint8_t> a = image(0, 64), b = image(1, n);
  std::vector<float> d(static_cast<std::size_t>(64 * n));
  const auto index = [n](int thread, int i) { return static_cast<std::size_t>(n / 2 * thread + i); };
  for (int t = 0; t < 128; ++t)
    for (int i = 0; i < n / 2; ++i) d[index(t, i)] = static_cast<float>(layouts::d_wgmma(t, i).row);
  machine.template launch<Probe, Arch::sm90a>({}, WgmmaArgs{machine.array(a), machine.array(b), machine.array(d)});
  for (int t = 0; t < 128; ++t)
    for (int i = 0; i < n / 2; ++i) {
      const auto [row, col] = layouts::d_wgmma(t, i);
      int want = row;
      for (int x = 0; x < k; ++x) want += value(0, row, x) * value(1, col, x);
      outcome.expect_equal(want, static_cast<double>(d[index(t, i)]), at(t, i));
    }
  return outcome;
}

template <class Machine>
void probe_wgmmas(Machine& machine, std::vector<Outcome>& outcomes) {
  using cuda::Swizzle;
  if (machine.arch() < Arch::sm90a) return;
  outcomes.push_back(probe_wgmma<WgmmaF16N64, f16>(machine, "wgmma.m64n64k16.f16", 64));
  outcomes.push_back(probe_wgmma<WgmmaF16N128, f16>(machine, "wgmma.m64n128k16.f16", 128));
  outcomes.push_back(probe_wgmma<WgmmaBf16N64, bf16>(machine, "wgmma.m64n64k16.bf16", 64));
  outcomes.push_back(probe_wgmma<WgmmaBf16N128, bf16>(machine, "wgmma.m64n128k16.bf16", 128));
  outcomes.push_back(probe_wgmma<WgmmaE4m3N64, e4m3>(machine, "wgmma.m64n64k32.e4m3", 64));
  outcomes.push_back(probe_wgmma<WgmmaE4m3N128, e4m3>(machine, "wgmma.m64n128k32.e4m3", 128));
  outcomes.push_back(probe_wgmma<WgmmaSwizzle64, f16>(machine, "wgmma, swizzle 64", 64, Swizzle::b64));
  outcomes.push_back(probe_wgmma<WgmmaSwizzle32, f16>(machine, "wgmma, swizzle 32", 64, Swizzle::b32));
  outcomes.push_back(probe_wgmma<WgmmaNoSwizzle, f16>(machine, "wgmma, no swizzle", 64, Swizzle::none));
}

}  // namespace vernier::probes
