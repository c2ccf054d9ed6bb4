// Probes of wgmma: types, widths, and the ways in which its operands may lie in shared memory.
#pragma once

#include <type_traits>

#include "cuda/layouts.hpp"
#include "cuda/probe.hpp"
#include "cuda/probes_bulk.cuh"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/fp8.hpp"
#include "vernier/types/int8.hpp"

namespace vernier::probes {

template <class Sum>
struct WgmmaArgs {
  const std::uint8_t *a, *b;       // images of shared memory
  const std::uint32_t* registers;  // of a: (step of k, thread, 4)
  Sum* d;                          // (thread, element), read and written
};

struct WgmmaCase {
  int n = 64;
  bool a_in_registers = false;
  cuda::Swizzle swizzle = cuda::Swizzle::b128;
  /// A row of an operand, which is all of k.
  constexpr int row_bytes() const { return swizzle == cuda::Swizzle::none ? 64 : cuda::swizzle_bytes(swizzle); }
};

template <class T>
using WgmmaSum = std::conditional_t<std::is_same_v<T, i8>, int, float>;

/// All of k in one group, 32 bytes at a time. What it loops over is known to the compiler, which would wait between the steps otherwise.
template <Arch A, class T, WgmmaCase C>
struct WgmmaProduct {
  using Sum = WgmmaSum<T>;
  using Args = WgmmaArgs<Sum>;
  static constexpr Arch arch = A;
  static constexpr int threads = 128, row_bytes = C.row_bytes(), a_bytes = 64 * row_bytes, shared_bytes = a_bytes + C.n * row_bytes;
  static constexpr int steps = row_bytes / 32, sums = C.n / 2;
  __device__ static void run(const Args& args, unsigned char* raw) {
    const int t = static_cast<int>(threadIdx.x);
    for (int i = t; i < 64 * row_bytes; i += threads) raw[i] = args.a[i];
    for (int i = t; i < C.n * row_bytes; i += threads) raw[a_bytes + i] = args.b[i];
    cuda::fence_proxy_async();
    __syncthreads();
    Sum d[sums];
#pragma unroll
    for (int i = 0; i < sums; ++i) d[i] = args.d[sums * t + i];
    std::uint32_t a[steps][4];
#pragma unroll
    for (int i = 0; i < 4 * steps; ++i) a[i / 4][i % 4] = args.registers[4 * (threads * (i / 4) + t) + i % 4];
    cuda::wgmma_fence();
#pragma unroll
    for (int step = 0; step < steps; ++step) {
      const std::uint64_t b = descriptor(raw + a_bytes, C.n, 32 * step);
      if constexpr (C.a_in_registers)
        cuda::wgmma<T>(d, a[step], b);
      else
        cuda::wgmma<T>(d, descriptor(raw, 64, 32 * step), b);
    }
    cuda::wgmma_commit();
    cuda::wgmma_wait<0>();
#pragma unroll
    for (int i = 0; i < sums; ++i) args.d[sums * t + i] = d[i];
  }
  /// Byte k of a matrix of so many rows.
  __device__ static std::uint64_t descriptor(const unsigned char* matrix, int rows, int k) {
    constexpr cuda::Swizzle swizzle = C.swizzle;
    if (swizzle == cuda::Swizzle::none) return cuda::wgmma_descriptor(matrix + rows * k, 128, swizzle, 16 * rows);
    return cuda::wgmma_descriptor(matrix, 8 * row_bytes, swizzle) + static_cast<std::uint64_t>(k / 16);
  }
};

/// Where byte `k` of a row lies: rows swizzled as a tensor copy does, or, without a swizzle, columns of 16-byte chunks.
inline int operand_byte(cuda::Swizzle swizzle, int rows, int row_bytes, int row, int k) {
  if (swizzle == cuda::Swizzle::none) return k / 16 * 16 * rows + 16 * row + k % 16;
  return row * row_bytes + 16 * swizzled_chunk(swizzle, row, k / 16) + k % 16;
}

/// A case as a probe, which is a template over the architecture alone.
template <class T, WgmmaCase C>
struct WgmmaProbe {
  template <Arch A>
  using Block = WgmmaProduct<A, T, C>;
};

/// An integer whose sums of products are exact in every format.
inline int wgmma_value(int matrix, int row, int col) {
  return static_cast<int>(scramble(static_cast<std::uint32_t>((matrix * 256 + row) * 128 + col)) % 7) - 3;
}

/// A matrix as shared memory holds it.
template <class T>
std::vector<std::uint8_t> wgmma_image(int matrix, int rows, const WgmmaCase& c) {
  const int row_bytes = c.row_bytes(), size = sizeof(T);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(rows * row_bytes));
  for (int row = 0; row < rows; ++row)
    for (int col = 0; col < row_bytes / size; ++col) {
      const auto code = T::encode(static_cast<float>(wgmma_value(matrix, row, col))).bits;
      for (int b = 0; b < size; ++b)
        bytes[static_cast<std::size_t>(operand_byte(c.swizzle, rows, row_bytes, row, size * col + b))] =
            static_cast<std::uint8_t>(code >> 8 * b);
    }
  return bytes;
}

/// A as the registers of the four warps hold it: each has 16 rows, in the layout of mma.
template <class T>
std::vector<std::uint32_t> wgmma_registers(int row_bytes) {
  constexpr int size = sizeof(T), per_register = 4 / size;
  std::vector<std::uint32_t> registers(static_cast<std::size_t>(row_bytes / 32 * 128 * 4));
  for (int i = 0; i < row_bytes / 32 * 128 * 16 / size; ++i) {
    const int step = i / (128 * 16 / size), thread = i / (16 / size) % 128, element = i % (16 / size);
    const auto [row, col] = size == 2 ? layouts::a_m16n8k16(thread % 32, element) : layouts::a_m16n8k32(thread % 32, element);
    const auto code = T::encode(static_cast<float>(wgmma_value(0, thread / 32 * 16 + row, step * 32 / size + col))).bits;
    using Bits = std::make_unsigned_t<std::remove_const_t<decltype(code)>>;
    registers[static_cast<std::size_t>(4 * (128 * step + thread) + element / per_register)] |=
        static_cast<std::uint32_t>(static_cast<Bits>(code)) << 8 * size * (element % per_register);
  }
  return registers;
}

template <class T, WgmmaCase C, class Machine>
void probe_wgmma(Machine& machine, std::vector<Outcome>& outcomes, const std::string& name) {
  using Sum = WgmmaSum<T>;
  Outcome outcome{.name = name};
  constexpr int sums = C.n / 2, k = C.row_bytes() / static_cast<int>(sizeof(T));
  std::vector<std::uint8_t> a = wgmma_image<T>(0, 64, C), b = wgmma_image<T>(1, C.n, C);
  std::vector<std::uint32_t> registers = wgmma_registers<T>(C.row_bytes());
  if (C.a_in_registers) a.assign(a.size(), 0);
  std::vector<Sum> d(64 * C.n);
  const auto index = [](int thread, int i) { return static_cast<std::size_t>(sums * thread + i); };
  for (int t = 0; t < 128; ++t)
    for (int i = 0; i < sums; ++i) d[index(t, i)] = static_cast<Sum>(layouts::d_wgmma(t, i).row);
  const WgmmaArgs<Sum> args{machine.array(a), machine.array(b), machine.array(registers), machine.array(d)};
  machine.template launch<WgmmaProbe<T, C>::template Block, Arch::sm90a>({}, args);
  for (int t = 0; t < 128; ++t)
    for (int i = 0; i < sums; ++i) {
      const auto [row, col] = layouts::d_wgmma(t, i);
      int want = row;
      for (int x = 0; x < k; ++x) want += wgmma_value(0, row, x) * wgmma_value(1, col, x);
      outcome.expect_equal(want, static_cast<double>(d[index(t, i)]), at(t, i));
    }
  outcomes.push_back(outcome);
}

template <class Machine>
void probe_wgmmas(Machine& machine, std::vector<Outcome>& outcomes) {
  using cuda::Swizzle;
  if (machine.arch() < Arch::sm90a) return;
  probe_wgmma<f16, WgmmaCase{.n = 8}>(machine, outcomes, "wgmma.m64n8k16.f16");
  probe_wgmma<f16, WgmmaCase{.n = 16}>(machine, outcomes, "wgmma.m64n16k16.f16");
  probe_wgmma<f16, WgmmaCase{.n = 32}>(machine, outcomes, "wgmma.m64n32k16.f16");
  probe_wgmma<f16, WgmmaCase{.n = 64}>(machine, outcomes, "wgmma.m64n64k16.f16");
  probe_wgmma<f16, WgmmaCase{.n = 96}>(machine, outcomes, "wgmma.m64n96k16.f16");
  probe_wgmma<f16, WgmmaCase{.n = 192}>(machine, outcomes, "wgmma.m64n192k16.f16");
  probe_wgmma<bf16, WgmmaCase{.n = 128}>(machine, outcomes, "wgmma.m64n128k16.bf16");
  probe_wgmma<e4m3, WgmmaCase{.n = 64}>(machine, outcomes, "wgmma.m64n64k32.e4m3");
  probe_wgmma<e4m3, WgmmaCase{.n = 256}>(machine, outcomes, "wgmma.m64n256k32.e4m3");
  probe_wgmma<e5m2, WgmmaCase{.n = 32}>(machine, outcomes, "wgmma.m64n32k32.e5m2");
  probe_wgmma<i8, WgmmaCase{.n = 8}>(machine, outcomes, "wgmma.m64n8k32.s8");
  probe_wgmma<i8, WgmmaCase{.n = 128}>(machine, outcomes, "wgmma.m64n128k32.s8");
  probe_wgmma<f16, WgmmaCase{.n = 64, .a_in_registers = true}>(machine, outcomes, "wgmma.m64n64k16.f16, A in registers");
  probe_wgmma<bf16, WgmmaCase{.n = 16, .a_in_registers = true}>(machine, outcomes, "wgmma.m64n16k16.bf16, A in registers");
  probe_wgmma<e4m3, WgmmaCase{.n = 32, .a_in_registers = true}>(machine, outcomes, "wgmma.m64n32k32.e4m3, A in registers");
  probe_wgmma<i8, WgmmaCase{.n = 64, .a_in_registers = true}>(machine, outcomes, "wgmma.m64n64k32.s8, A in registers");
  probe_wgmma<f16, WgmmaCase{.swizzle = Swizzle::b64}>(machine, outcomes, "wgmma, swizzle 64");
  probe_wgmma<f16, WgmmaCase{.swizzle = Swizzle::b32}>(machine, outcomes, "wgmma, swizzle 32");
  probe_wgmma<f16, WgmmaCase{.swizzle = Swizzle::none}>(machine, outcomes, "wgmma, no swizzle");
}

}  // namespace vernier::probes
