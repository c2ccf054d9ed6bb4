// Probes of cp.async, ordered and packed atomics, vector accesses and barriers.
#pragma once

#include <utility>

#include "cuda/probe.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"

namespace vernier::probes {

// ---- cp.async: each thread fills 16 bytes in one of six ways, and takes 0 to 16 bytes of them from global memory, the last warp all or
// none

struct CopyArgs {
  const std::uint8_t* in;
  std::uint8_t* out;
};

VERNIER_HD constexpr int bytes_taken(unsigned thread) {
  return thread < 160 ? static_cast<int>(thread * 7 % 17) : thread % 3 == 0 ? 0 : 16;
}

template <Arch A>
struct AsyncCopies {
  using Args = CopyArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 192, shared_bytes = 16 * threads;
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
    if (way == 5) cuda::cp_async_cg_or_zero(to, from, taken != 0);
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
  std::vector<std::uint8_t> in(192 * 16), out(192 * 16);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint8_t>(scramble(static_cast<std::uint32_t>(i)) | 1u);
  machine.template launch<AsyncCopies>({}, CopyArgs{machine.array(in), machine.array(out)});
  for (int i = 0; i < 192 * 16; ++i)
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

// ---- vector accesses: each thread moves 28 bytes through shared memory to its neighbour, in three sizes

struct VectorArgs {
  const std::uint32_t* in;  // (7, thread): four words, two, and one
  std::uint32_t* out;       // the same, of the next thread
};

template <Arch A>
struct Vectors {
  using Args = VectorArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 64, shared_bytes = 28 * threads;
  __device__ static void run(const Args& args, unsigned char* raw) {
    const unsigned t = threadIdx.x, next = (t + 1) % threads;
    move<4>(args, raw, t, next, 0);
    move<2>(args, raw, t, next, 4 * threads);
    move<1>(args, raw, t, next, 6 * threads);
  }
  template <unsigned N>
  __device__ static void move(const Args& args, unsigned char* raw, unsigned t, unsigned next, unsigned first) {
    std::uint32_t r[N];
    cuda::ld_global_stream(r, args.in + first + N * t);
    cuda::st_shared(raw + 4 * (first + N * t), r);
    __syncthreads();
    cuda::ld_shared(r, raw + 4 * (first + N * next));
    cuda::st_global_stream(args.out + first + N * t, r);
  }
};

template <class Machine>
Outcome probe_vectors(Machine& machine) {
  Outcome outcome{.name = "ld.global.nc, st.global.cs, ld.shared, st.shared: .v4, .v2, .b32"};
  std::vector<std::uint32_t> in(7 * 64), out(7 * 64);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint32_t>(i);
  machine.template launch<Vectors>({}, VectorArgs{machine.array(in), machine.array(out)});
  for (const auto& [n, first] : {std::pair{4, 0}, {2, 256}, {1, 384}})
    for (int t = 0; t < 64; ++t)
      for (int i = 0; i < n; ++i)
        outcome.expect_equal(first + n * ((t + 1) % 64) + i, out[static_cast<std::size_t>(first + n * t + i)], at(t, first + i));
  return outcome;
}

template <class Machine>
void probe_memory(Machine& machine, std::vector<Outcome>& outcomes) {
  outcomes.push_back(probe_async_copies(machine));
  outcomes.push_back(probe_chain(machine));
  outcomes.push_back(probe_rounds<BarRounds>(machine, "bar.sync, bar.arrive, ld.shared.v4, st.shared.v4"));
  outcomes.push_back(probe_rounds<MbarrierRounds>(machine, "mbarrier, cp.async.mbarrier.arrive"));
  outcomes.push_back(probe_vectors(machine));
}

}  // namespace vernier::probes
