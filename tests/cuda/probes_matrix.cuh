// Probes of ldmatrix, stmatrix and mma.sync.
#pragma once

#include "cuda/layouts.hpp"
#include "cuda/probe.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/fp8.hpp"

namespace vernier::probes {

struct MatrixArgs {
  const std::uint16_t* in;  // four 8x8 matrices
  std::uint32_t* out;       // (lane, register); of stmatrix: four 8x8 matrices
};

/// Loads Matrices 8x8 matrices.
template <Arch A, int Matrices, bool Transposed>
struct LoadMatrices {
  using Args = MatrixArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 32, shared_bytes = 512;
  __device__ static void run(const Args& args, unsigned char* raw) {
    auto* shared = reinterpret_cast<std::uint16_t*>(raw);
    const unsigned lane = threadIdx.x;
    for (unsigned i = lane; i < 256; i += 32) shared[i] = args.in[i];
    __syncwarp();
    std::uint32_t r[Matrices];
    if constexpr (Transposed)
      cuda::ldmatrix_trans(r, shared + 8 * lane);
    else
      cuda::ldmatrix(r, shared + 8 * lane);
    for (int m = 0; m < Matrices; ++m) args.out[4 * lane + static_cast<unsigned>(m)] = r[m];
  }
};
template <Arch A>
using LoadX1 = LoadMatrices<A, 1, false>;
template <Arch A>
using LoadX2 = LoadMatrices<A, 2, false>;
template <Arch A>
using LoadX4 = LoadMatrices<A, 4, false>;
template <Arch A>
using LoadX1Trans = LoadMatrices<A, 1, true>;
template <Arch A>
using LoadX2Trans = LoadMatrices<A, 2, true>;
template <Arch A>
using LoadX4Trans = LoadMatrices<A, 4, true>;

/// Writes registers in ldmatrix's layout to four matrices.
template <Arch A, bool Transposed>
struct StoreMatrices {
  using Args = MatrixArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 32, shared_bytes = 512;
  __device__ static void run(const Args& args, unsigned char* raw) {
    const unsigned lane = threadIdx.x;
    const auto* in = reinterpret_cast<const std::uint32_t*>(args.in);
    const std::uint32_t r[4] = {in[4 * lane], in[4 * lane + 1], in[4 * lane + 2], in[4 * lane + 3]};
    if constexpr (Transposed)
      cuda::stmatrix_trans(raw + 16 * lane, r);
    else
      cuda::stmatrix(raw + 16 * lane, r);
    __syncwarp();
    for (unsigned i = lane; i < 128; i += 32) args.out[i] = reinterpret_cast<const std::uint32_t*>(raw)[i];
  }
};
template <Arch A>
using StoreX4 = StoreMatrices<A, false>;
template <Arch A>
using StoreX4Trans = StoreMatrices<A, true>;

inline std::vector<std::uint16_t> numbers() {
  std::vector<std::uint16_t> all(256);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  return all;
}

template <template <Arch> class Probe, class Machine>
Outcome probe_load(Machine& machine, const char* name, int matrices, bool transposed) {
  Outcome outcome{.name = name};
  std::vector<std::uint16_t> in = numbers();
  std::vector<std::uint32_t> out(128);
  machine.template launch<Probe>({}, MatrixArgs{machine.array(in), machine.array(out)});
  for (int lane = 0; lane < 32; ++lane)
    for (int m = 0; m < matrices; ++m)
      for (int e = 0; e < 2; ++e) {
        const auto [row, col] = transposed ? layouts::ldmatrix_trans(lane, e) : layouts::ldmatrix(lane, e);
        const std::uint32_t got = out[static_cast<std::size_t>(4 * lane + m)] >> 16 * e & 0xffffu;
        outcome.expect_equal(64 * m + 8 * row + col, got, at(lane, 2 * m + e));
      }
  return outcome;
}

template <template <Arch> class Probe, class Machine>
Outcome probe_store(Machine& machine, const char* name, bool transposed) {
  Outcome outcome{.name = name};
  std::vector<std::uint16_t> in = numbers();  // element e of register m of lane l is 8l + 2m + e
  std::vector<std::uint32_t> out(128);
  machine.template launch<Probe, Arch::sm90a>({}, MatrixArgs{machine.array(in), machine.array(out)});
  for (int lane = 0; lane < 32; ++lane)
    for (int m = 0; m < 4; ++m)
      for (int e = 0; e < 2; ++e) {
        const auto [row, col] = transposed ? layouts::ldmatrix_trans(lane, e) : layouts::ldmatrix(lane, e);
        const int i = 64 * m + 8 * row + col;
        const std::uint32_t got = out[static_cast<std::size_t>(i / 2)] >> 16 * (i % 2) & 0xffffu;
        outcome.expect_equal(8 * lane + 2 * m + e, got, at(lane, 2 * m + e));
      }
  return outcome;
}

// ---- mma.sync

enum class Operand : unsigned char { f16, bf16, s8, e4m3, e5m2 };

template <class Sum>
struct ProductArgs {
  const std::uint32_t *a, *b;  // (lane, register)
  Sum* c;                      // (lane, element), read and written
};

template <Arch A, Operand O, class Sum>
struct Product {
  using Args = ProductArgs<Sum>;
  static constexpr Arch arch = A;
  static constexpr int threads = 32, shared_bytes = 0;
  __device__ static void run(const Args& args, unsigned char*) {
    const unsigned lane = threadIdx.x;
    std::uint32_t a[4], b[2];
    Sum c[4];
    for (unsigned i = 0; i < 4; ++i) a[i] = args.a[4 * lane + i];
    for (unsigned i = 0; i < 2; ++i) b[i] = args.b[2 * lane + i];
    for (unsigned i = 0; i < 4; ++i) c[i] = args.c[4 * lane + i];
    if constexpr (O == Operand::f16) cuda::mma_m16n8k16_f16(c, a, b);
    if constexpr (O == Operand::bf16) cuda::mma_m16n8k16_bf16(c, a, b);
    if constexpr (O == Operand::s8) cuda::mma_m16n8k32_s8(c, a, b);
    if constexpr (O == Operand::e4m3) cuda::mma_m16n8k32_e4m3(c, a, b);
    if constexpr (O == Operand::e5m2) cuda::mma_m16n8k32_e5m2(c, a, b);
    for (unsigned i = 0; i < 4; ++i) args.c[4 * lane + i] = c[i];
  }
};
template <Arch A>
using ProductF16 = Product<A, Operand::f16, float>;
template <Arch A>
using ProductBf16 = Product<A, Operand::bf16, float>;
template <Arch A>
using ProductS8 = Product<A, Operand::s8, int>;
template <Arch A>
using ProductE4m3 = Product<A, Operand::e4m3, float>;
template <Arch A>
using ProductE5m2 = Product<A, Operand::e5m2, float>;

inline double decode(Operand o, std::uint32_t bits) {
  switch (o) {
    case Operand::f16: return static_cast<double>(f16{static_cast<std::uint16_t>(bits)}.decode());
    case Operand::bf16: return static_cast<double>(bf16{static_cast<std::uint16_t>(bits)}.decode());
    case Operand::s8: return static_cast<std::int8_t>(bits);
    case Operand::e4m3: return static_cast<double>(e4m3{static_cast<std::uint8_t>(bits)}.decode());
    case Operand::e5m2: return static_cast<double>(e5m2{static_cast<std::uint8_t>(bits)}.decode());
  }
  return 0;
}

/// A code whose value is an integer of at most three bits, signs mixed: sums of 32 products are exact in every format.
inline std::uint32_t code_of(Operand o, std::uint32_t seed) {
  const int value = static_cast<int>(scramble(seed) % 15) - 7;
  switch (o) {
    case Operand::f16: return f16::encode(static_cast<float>(value)).bits;
    case Operand::bf16: return bf16::encode(static_cast<float>(value)).bits;
    case Operand::s8: return static_cast<std::uint8_t>(value);
    case Operand::e4m3: return e4m3::encode(static_cast<float>(value)).bits;
    case Operand::e5m2: return e5m2::encode(static_cast<float>(value)).bits;  // 5 and 7 round to 4 and 8, which is as good
  }
  return 0;
}

template <template <Arch> class Probe, class Sum, Arch Least = Arch::sm80, class Machine>
Outcome probe_product(Machine& machine, const char* name, Operand o) {
  Outcome outcome{.name = name};
  const bool wide = o == Operand::f16 || o == Operand::bf16;
  const int k = wide ? 16 : 32, per_register = wide ? 2 : 4, element_bits = 32 / per_register;
  std::vector<std::uint32_t> a(128), b(64), a_codes(static_cast<std::size_t>(16 * k)), b_codes(static_cast<std::size_t>(8 * k));
  for (std::size_t i = 0; i < a_codes.size(); ++i) a_codes[i] = code_of(o, static_cast<std::uint32_t>(i));
  for (std::size_t i = 0; i < b_codes.size(); ++i) b_codes[i] = code_of(o, static_cast<std::uint32_t>(i + 10000));
  std::vector<Sum> c(128);
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4 * per_register; ++i) {
      const auto [row, col] = wide ? layouts::a_m16n8k16(lane, i) : layouts::a_m16n8k32(lane, i);
      a[static_cast<std::size_t>(4 * lane + i / per_register)] |= a_codes[static_cast<std::size_t>(row * k + col)]
                                                                  << element_bits * (i % per_register);
    }
    for (int i = 0; i < 2 * per_register; ++i) {
      const auto [row, col] = wide ? layouts::b_m16n8k16(lane, i) : layouts::b_m16n8k32(lane, i);
      b[static_cast<std::size_t>(2 * lane + i / per_register)] |= b_codes[static_cast<std::size_t>(col * k + row)]
                                                                  << element_bits * (i % per_register);
    }
    for (int i = 0; i < 4; ++i) {
      const auto [row, col] = layouts::c_m16n8(lane, i);
      c[static_cast<std::size_t>(4 * lane + i)] = static_cast<Sum>(100 * row + col);
    }
  }
  machine.template launch<Probe, Least>({}, ProductArgs<Sum>{machine.array(a), machine.array(b), machine.array(c)});
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      const auto [row, col] = layouts::c_m16n8(lane, i);
      double want = 100 * row + col;
      for (int x = 0; x < k; ++x)
        want += decode(o, a_codes[static_cast<std::size_t>(row * k + x)]) * decode(o, b_codes[static_cast<std::size_t>(col * k + x)]);
      outcome.expect_equal(want, static_cast<double>(c[static_cast<std::size_t>(4 * lane + i)]), at(lane, i));
    }
  return outcome;
}

template <class Machine>
void probe_matrix(Machine& machine, std::vector<Outcome>& outcomes) {
  outcomes.push_back(probe_load<LoadX1>(machine, "ldmatrix.x1", 1, false));
  outcomes.push_back(probe_load<LoadX2>(machine, "ldmatrix.x2", 2, false));
  outcomes.push_back(probe_load<LoadX4>(machine, "ldmatrix.x4", 4, false));
  outcomes.push_back(probe_load<LoadX1Trans>(machine, "ldmatrix.x1.trans", 1, true));
  outcomes.push_back(probe_load<LoadX2Trans>(machine, "ldmatrix.x2.trans", 2, true));
  outcomes.push_back(probe_load<LoadX4Trans>(machine, "ldmatrix.x4.trans", 4, true));
  outcomes.push_back(probe_product<ProductF16, float>(machine, "mma.m16n8k16.f16", Operand::f16));
  outcomes.push_back(probe_product<ProductBf16, float>(machine, "mma.m16n8k16.bf16", Operand::bf16));
  outcomes.push_back(probe_product<ProductS8, int>(machine, "mma.m16n8k32.s8", Operand::s8));
  if (machine.arch() >= Arch::sm89) {
    outcomes.push_back(probe_product<ProductE4m3, float, Arch::sm89>(machine, "mma.m16n8k32.e4m3", Operand::e4m3));
    outcomes.push_back(probe_product<ProductE5m2, float, Arch::sm89>(machine, "mma.m16n8k32.e5m2", Operand::e5m2));
  }
  if (machine.arch() >= Arch::sm90a) {
    outcomes.push_back(probe_store<StoreX4>(machine, "stmatrix.x4", false));
    outcomes.push_back(probe_store<StoreX4Trans>(machine, "stmatrix.x4.trans", true));
  }
}

}  // namespace vernier::probes
