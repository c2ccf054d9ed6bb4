// Probes of cp.async, ordered and packed atomics, vector accesses, barriers and packed arithmetic.
#pragma once

#include "cuda/probe.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"

namespace vernier::probes {

// ---- cp.async: each thread fills 16 bytes in one of five ways, and takes 0 to 16 bytes of them from global memory

struct CopyArgs {
  const std::uint8_t* in;
  std::uint8_t* out;
};

VERNIER_HD constexpr int bytes_taken(unsigned thread) { return static_cast<int>(thread * 7 % 17); }

template <Arch A>
struct AsyncCopies {
  using Args = CopyArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 160, shared_bytes = 16 * threads;
  __device__ static void run(const Args& args, unsigned char* raw) {
    const unsigned t = threadIdx.x, way = t / 32;
    const int taken = bytes_taken(t);
    const auto part = [taken](int first, int size) { return taken < first ? 0 : taken - first < size ? taken - first : size; };
    unsigned char* to = raw + 16 * t;
    const std::uint8_t* from = args.in + 16 * t;
    if (way == 0) cuda::cp_async_cg(to, from, taken);
    if (way == 1) cuda::cp_async_cg(to, from, taken, t % 2 == 0 ? cuda::evict_first_policy() : cuda::evict_last_policy());
    if (way == 2) cuda::cp_async_ca<16>(to, from, taken);
    if (way == 3)
      for (int i = 0; i < 16; i += 8) cuda::cp_async_ca<8>(to + i, from + i, part(i, 8));
    cuda::cp_async_commit();
    if (way == 4)
      for (int i = 0; i < 16; i += 4) cuda::cp_async_ca<4>(to + i, from + i, part(i, 4));
    cuda::cp_async_commit();
    cuda::cp_async_wait<1>();
    cuda::cp_async_wait<0>();
    __syncthreads();
    for (unsigned i = 0; i < 16; ++i) args.out[(threads - 1 - t) * 16 + i] = raw[(threads - 1 - t) * 16 + i];  // another thread's
  }
};

template <class Machine>
Outcome probe_async_copies(Machine& machine) {
  Outcome outcome{.name = "cp.async"};
  std::vector<std::uint8_t> in(160 * 16), out(160 * 16);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint8_t>(scramble(static_cast<std::uint32_t>(i)) | 1u);
  machine.template launch<AsyncCopies>({}, CopyArgs{machine.array(in), machine.array(out)});
  for (int i = 0; i < 160 * 16; ++i)
    outcome.expect_equal(i % 16 < bytes_taken(static_cast<unsigned>(i / 16)) ? in[static_cast<std::size_t>(i)] : 0,
                         out[static_cast<std::size_t>(i)], at(i / 16, i % 16));
  return outcome;
}

// ---- a chain of blocks, each of which waits for the one before it, and atomics of all kinds

struct ChainArgs {
  int* flag;    // which block is next
  int* sums;    // of each block: that of its predecessor plus its threads
  int* before;  // what each thread's atom_acq_rel_add found
  float* total;
  std::uint32_t* pairs;  // f16x2, bf16x2
};

template <Arch A>
struct Chain {
  using Args = ChainArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 64, shared_bytes = 0;
  __device__ static void run(const Args& args, unsigned char*) {
    const int block = static_cast<int>(blockIdx.x);
    if (threadIdx.x == 0) {
      while (cuda::ld_acquire(args.flag) != block) {
      }
      args.sums[block] = block == 0 ? 0 : args.sums[block - 1];
    }
    __syncthreads();
    args.before[block * threads + static_cast<int>(threadIdx.x)] = cuda::atom_acq_rel_add(&args.sums[block], 1);
    cuda::red_add(args.total, 0.5f);
    cuda::red_add_f16x2(&args.pairs[0], cuda::cvt_f16x2(1.0f, -2.0f));
    if constexpr (A >= Arch::sm90a) cuda::red_add_bf16x2(&args.pairs[1], cuda::cvt_bf16x2(0.25f, -0.5f));
    __syncthreads();
    if (threadIdx.x == 0) {
      if (block % 2 == 0)
        cuda::st_release(args.flag, block + 1);
      else
        cuda::red_release_add(args.flag, 1);
    }
  }
};

template <class Machine>
Outcome probe_chain(Machine& machine) {
  constexpr int blocks = 4, threads = 64;
  Outcome outcome{.name = "ld.acquire, st.release, red, atom"};
  std::vector<int> flag(1), sums(blocks), before(blocks * threads);
  std::vector<float> total(1);
  std::vector<std::uint32_t> pairs(2);
  machine.template launch<Chain>(
      {blocks}, ChainArgs{machine.array(flag), machine.array(sums), machine.array(before), machine.array(total), machine.array(pairs)});
  std::vector<int> seen(blocks * threads);
  for (int value : before) ++seen[static_cast<std::size_t>(value) % seen.size()];
  for (int i = 0; i < blocks * threads; ++i) outcome.expect_equal(1, seen[static_cast<std::size_t>(i)], "ticket " + std::to_string(i));
  for (int b = 0; b < blocks; ++b) outcome.expect_equal((b + 1) * threads, sums[static_cast<std::size_t>(b)], "block " + std::to_string(b));
  outcome.expect_equal(blocks, flag[0], "flag");
  outcome.expect_equal(128, static_cast<double>(total[0]), "red.add.f32");
  const auto half = [&](int i) { return static_cast<double>(f16{static_cast<std::uint16_t>(pairs[0] >> 16 * i)}.decode()); };
  outcome.expect_equal(256, half(0), "red.add.f16x2");
  outcome.expect_equal(-512, half(1), "red.add.f16x2");
  if (machine.arch() < Arch::sm90a) return outcome;
  const auto brain = [&](int i) { return static_cast<double>(bf16{static_cast<std::uint16_t>(pairs[1] >> 16 * i)}.decode()); };
  outcome.expect_equal(64, brain(0), "red.add.bf16x2");
  outcome.expect_equal(-128, brain(1), "red.add.bf16x2");
  return outcome;
}

// ---- barriers: warp 0 produces, warps 1 and 2 consume, in rounds; once through numbered barriers, once through mbarriers

struct RoundsArgs {
  const std::uint32_t* in;  // (round, 128)
  std::uint32_t* out;       // the same
};

template <Arch A, bool UseMbarriers>
struct Rounds {
  using Args = RoundsArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 96, rounds = 5, shared_bytes = 512 + 16;
  __device__ static void run(const Args& args, unsigned char* raw) {
    auto* full = reinterpret_cast<std::uint64_t*>(raw + 512);
    std::uint64_t* empty = full + 1;
    if constexpr (UseMbarriers) {
      if (threadIdx.x == 0) {
        cuda::mbarrier_init(full, 32);
        cuda::mbarrier_init(empty, 64);
      }
      __syncthreads();
    }
    if (threadIdx.x < 32)
      produce(args, raw, full, empty);
    else
      consume(args, raw, full, empty);
  }
  __device__ static void produce(const Args& args, unsigned char* raw, std::uint64_t* full, std::uint64_t* empty) {
    const unsigned lane = threadIdx.x;
    for (unsigned round = 0; round < rounds; ++round) {
      if constexpr (UseMbarriers)
        cuda::mbarrier_wait_parity(empty, (round + 1) % 2);  // at once in the first round
      else if (round > 0)
        cuda::bar_sync(2, threads);
      if constexpr (UseMbarriers) {
        cuda::cp_async_cg(raw + 16 * lane, args.in + 128 * round + 4 * lane);
        cuda::cp_async_mbarrier_arrive_noinc(full);
      } else {
        const std::uint32_t* from = args.in + 128 * round + 4 * lane;
        const std::uint32_t r[4] = {from[0], from[1], from[2], from[3]};
        cuda::st_shared(raw + 16 * lane, r);
        cuda::bar_arrive(1, threads);
      }
    }
  }
  __device__ static void consume(const Args& args, unsigned char* raw, std::uint64_t* full, std::uint64_t* empty) {
    const unsigned lane = threadIdx.x % 32, half = threadIdx.x / 32 - 1;
    for (unsigned round = 0; round < rounds; ++round) {
      if constexpr (UseMbarriers)
        cuda::mbarrier_wait_parity(full, round % 2);
      else
        cuda::bar_sync(1, threads);
      std::uint32_t r[4];
      cuda::ld_shared(r, raw + 16 * (31 - lane));
      for (unsigned i = 0; i < 4; ++i)
        if (i / 2 == half) args.out[128 * round + 4 * (31 - lane) + i] = r[i];
      if constexpr (UseMbarriers)
        cuda::mbarrier_arrive(empty);
      else if (round + 1 < rounds)
        cuda::bar_arrive(2, threads);
    }
  }
};
template <Arch A>
using BarRounds = Rounds<A, false>;
template <Arch A>
using MbarrierRounds = Rounds<A, true>;

template <template <Arch> class Probe, class Machine>
Outcome probe_rounds(Machine& machine, const char* name) {
  Outcome outcome{.name = name};
  std::vector<std::uint32_t> in(5 * 128), out(5 * 128);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = scramble(static_cast<std::uint32_t>(i)) >> 8;
  machine.template launch<Probe>({}, RoundsArgs{machine.array(in), machine.array(out)});
  for (int i = 0; i < 5 * 128; ++i)
    outcome.expect_equal(in[static_cast<std::size_t>(i)], out[static_cast<std::size_t>(i)], at(i % 128 / 4, i % 4));
  return outcome;
}

// ---- packed arithmetic

struct MathArgs {
  const std::uint32_t *a, *b, *c;
  std::uint32_t* out;  // (thread, result)
};

constexpr int math_results = 10;

template <Arch A>
struct Math {
  using Args = MathArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 256, shared_bytes = 0;
  __device__ static void run(const Args& args, unsigned char*) {
    const std::uint32_t a = args.a[threadIdx.x], b = args.b[threadIdx.x], c = args.c[threadIdx.x];
    std::uint32_t* out = args.out + math_results * threadIdx.x;
    const auto as_float = [](std::uint32_t x) { return static_cast<float>(static_cast<std::int32_t>(x)) * 0x1p-26f; };  // -32 to 32
    out[0] = cuda::prmt(a, b, c & 0xffffu);
    out[1] = cuda::lop3<0xea>(a, b, c);  // (a & b) | c
    out[2] = cuda::lop3<0x96>(a, b, c);  // a ^ b ^ c
    out[3] = cuda::cvt_f16x2(as_float(a), as_float(b));
    out[4] = cuda::cvt_bf16x2(as_float(a), as_float(b));
    const std::uint32_t x = out[3], y = cuda::cvt_f16x2(as_float(b), as_float(c)), z = cuda::cvt_f16x2(as_float(c), as_float(a));
    out[5] = cuda::fma_f16x2(x, y, z);
    out[6] = cuda::mul_f16x2(x, y);
    out[7] = cuda::sub_f16x2(x, y);
    out[8] = cuda::fma_bf16x2(out[4], cuda::cvt_bf16x2(as_float(b), as_float(c)), cuda::cvt_bf16x2(as_float(c), as_float(a)));
    out[9] = __float_as_uint(cuda::ex2_approx(as_float(a)));
  }
};

/// The pair's element; half a unit in the last place of a result of this size, with the smallest subnormal.
template <class T>
double pair(std::uint32_t bits, int i) {
  return static_cast<double>(T{static_cast<std::uint16_t>(bits >> 16 * i)}.decode());
}
inline double rounding_f16(double x) { return std::fabs(x) * 0x1p-11 + 0x1p-25; }
inline double rounding_bf16(double x) { return std::fabs(x) * 0x1p-8 + 0x1p-134; }

inline void check_math(Outcome& outcome, int thread, const std::uint32_t (&abc)[3], const std::uint32_t* out) {
  const auto [a, b, c] = abc;
  const auto real = [](std::uint32_t x) { return static_cast<double>(static_cast<float>(static_cast<std::int32_t>(x)) * 0x1p-26f); };
  std::uint32_t permuted = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const std::uint32_t selector = c >> 4 * i & 15u, word = (selector & 4u) != 0 ? b : a;
    const std::uint32_t byte = word >> 8 * (selector & 3u) & 0xffu;
    permuted |= (selector < 8 ? byte : byte >= 128 ? 0xffu : 0u) << 8 * i;
  }
  outcome.expect_equal(permuted, out[0], at(thread, 0) + " (prmt)");
  outcome.expect_equal((a & b) | c, out[1], at(thread, 1) + " (lop3)");
  outcome.expect_equal(a ^ b ^ c, out[2], at(thread, 2) + " (lop3)");
  const double first[3] = {real(a), real(b), real(c)};
  for (int i = 0; i < 2; ++i) {
    const double x = pair<f16>(out[3], i);
    outcome.expect_near(first[i], x, rounding_f16(first[i]), at(thread, 3) + " (cvt.f16x2)");
    outcome.expect_near(first[i], pair<bf16>(out[4], i), rounding_bf16(first[i]), at(thread, 4) + " (cvt.bf16x2)");
    const double y = static_cast<double>(f16::encode(static_cast<float>(first[1 + i])).decode());
    const double z = static_cast<double>(f16::encode(static_cast<float>(first[(2 + i) % 3])).decode());
    outcome.expect_near(x * y + z, pair<f16>(out[5], i), rounding_f16(x * y + z), at(thread, 5) + " (fma.f16x2)");
    outcome.expect_near(x * y, pair<f16>(out[6], i), rounding_f16(x * y), at(thread, 6) + " (mul.f16x2)");
    outcome.expect_near(x - y, pair<f16>(out[7], i), rounding_f16(x - y), at(thread, 7) + " (sub.f16x2)");
    const auto brain = [&](int j) { return static_cast<double>(bf16::encode(static_cast<float>(first[j % 3])).decode()); };
    const double want = brain(i) * brain(1 + i) + brain(2 + i);
    outcome.expect_near(want, pair<bf16>(out[8], i), rounding_bf16(want), at(thread, 8) + " (fma.bf16x2)");
  }
  const double power = std::exp2(first[0]);
  outcome.expect_near(power, static_cast<double>(bits_float(out[9])), power * 0x1p-22, at(thread, 9) + " (ex2.approx)");
}

template <class Machine>
Outcome probe_math(Machine& machine) {
  Outcome outcome{.name = "prmt, lop3, f16x2, bf16x2, ex2"};
  std::vector<std::uint32_t> a(256), b(256), c(256), out(256 * math_results);
  for (std::uint32_t i = 0; i < 256; ++i) {
    a[i] = scramble(i);
    b[i] = scramble(i + 1000);
    c[i] = scramble(i + 2000);
  }
  machine.template launch<Math>({}, MathArgs{machine.array(a), machine.array(b), machine.array(c), machine.array(out)});
  for (int i = 0; i < 256; ++i) {
    const auto u = static_cast<std::size_t>(i);
    check_math(outcome, i, {a[u], b[u], c[u]}, &out[u * math_results]);
  }
  return outcome;
}

template <class Machine>
void probe_memory(Machine& machine, std::vector<Outcome>& outcomes) {
  outcomes.push_back(probe_async_copies(machine));
  outcomes.push_back(probe_chain(machine));
  outcomes.push_back(probe_rounds<BarRounds>(machine, "bar.sync, bar.arrive, ld.shared.v4, st.shared.v4"));
  outcomes.push_back(probe_rounds<MbarrierRounds>(machine, "mbarrier, cp.async.mbarrier.arrive"));
  outcomes.push_back(probe_math(machine));
}

}  // namespace vernier::probes
