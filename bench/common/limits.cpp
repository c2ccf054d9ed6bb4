// The peak loops. Accumulators are separate variables, not an array: with an array g++ 12 spills them and the peak halves.
#include "common/limits.hpp"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "vernier/core/macros.hpp"
#include "vernier/kv/cache.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vernier::bench {

namespace {
bool cpu_time = false;
}

void use_cpu_time() { cpu_time = true; }

double now() {
  if (cpu_time) {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

namespace {

volatile std::uint64_t sink;

std::uint64_t read_scalar(const std::uint8_t* data, std::size_t bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i + 8 <= bytes; i += 8) {
    std::uint64_t word;
    __builtin_memcpy(&word, data + i, 8);
    sum += word;
  }
  return sum;
}

constexpr int peak_rounds = 2'000'000;
constexpr int chains = 14;  // of dependent instructions: enough for two a cycle with results after seven

}  // namespace

#if defined(__x86_64__)

VERNIER_TARGET_AVX512
namespace {

std::uint64_t read_avx512(const std::uint8_t* data, std::size_t bytes) {
  __m512i a = _mm512_setzero_si512(), b = a;
  for (std::size_t i = 0; i + 128 <= bytes; i += 128) {
    a = _mm512_or_si512(a, _mm512_loadu_si512(data + i));
    b = _mm512_or_si512(b, _mm512_loadu_si512(data + i + 64));
  }
  return static_cast<std::uint64_t>(_mm512_cmpneq_epi64_mask(a, b));
}

void fma_avx512() {
  __m512 sums[chains], x = _mm512_set1_ps(0.5f);
  for (__m512& sum : sums) sum = x;
  for (int r = 0; r < peak_rounds; ++r) {
#pragma GCC unroll 14
    for (__m512& sum : sums) asm volatile("vfmadd231ps %1, %1, %0" : "+v"(sum) : "v"(x));
  }
}

void int8_avx512() {
  __m512i sums[chains], x = _mm512_set1_epi8(1);
  for (__m512i& sum : sums) sum = x;
  for (int r = 0; r < peak_rounds; ++r) {
#pragma GCC unroll 14
    for (__m512i& sum : sums) asm volatile("vpdpbusd %1, %1, %0" : "+v"(sum) : "v"(x));
  }
}

void bf16_avx512() {
  __m512i sums[chains], x = _mm512_set1_epi8(1);
  for (__m512i& sum : sums) sum = x;
  for (int r = 0; r < peak_rounds; ++r) {
#pragma GCC unroll 14
    for (__m512i& sum : sums) asm volatile("vdpbf16ps %1, %1, %0" : "+v"(sum) : "v"(x));
  }
}

}  // namespace
VERNIER_TARGET_END

VERNIER_TARGET_AVX2
namespace {

std::uint64_t read_avx2(const std::uint8_t* data, std::size_t bytes) {
  __m256i a = _mm256_setzero_si256(), b = a;
  for (std::size_t i = 0; i + 64 <= bytes; i += 64) {
    a = _mm256_or_si256(a, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + i)));
    b = _mm256_or_si256(b, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + i + 32)));
  }
  return static_cast<std::uint64_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b)));
}

void fma_avx2() {
  __m256 sums[chains], x = _mm256_set1_ps(0.5f);
  for (__m256& sum : sums) sum = x;
  for (int r = 0; r < peak_rounds; ++r) {
#pragma GCC unroll 14
    for (__m256& sum : sums) asm volatile("vfmadd231ps %1, %1, %0" : "+x"(sum) : "x"(x));
  }
}

void int8_avx2() {
  __m256i sums[chains];
  for (__m256i& sum : sums) sum = _mm256_set1_epi8(1);
  for (int r = 0; r < peak_rounds; ++r) {
#pragma GCC unroll 14
    for (__m256i& sum : sums) asm volatile("vpmaddwd %0, %0, %0" : "+x"(sum));
  }
}

}  // namespace
VERNIER_TARGET_END

#endif

namespace {

/// Runs `loop` on every worker and returns operations per second: the best of three.
double peak(cpu::ThreadPool& pool, void (*loop)(), double operations_per_instruction) {
  double best = 0;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const double start = now();
    pool.run([&](int) { loop(); });
    best = std::max(best, operations_per_instruction * chains * peak_rounds * pool.size() / (now() - start));
  }
  return best;
}

}  // namespace

double read_bandwidth(cpu::ThreadPool& pool, const std::uint8_t* data, std::size_t bytes, int passes) {
  auto* read = read_scalar;
#if defined(__x86_64__)
  if (cpu::features().isa == cpu::Isa::avx2) read = read_avx2;
  if (cpu::features().isa == cpu::Isa::avx512) read = read_avx512;
#endif
  const double start = now();
  pool.for_ranges(
      static_cast<std::int64_t>(bytes),
      [&](std::int64_t begin, std::int64_t end) {
        for (int pass = 0; pass < passes; ++pass) sink = read(data + begin, static_cast<std::size_t>(end - begin));
      },
      4096);
  return static_cast<double>(bytes) * passes / (now() - start);
}

double fma_peak([[maybe_unused]] cpu::ThreadPool& pool, [[maybe_unused]] cpu::Isa isa) {
#if defined(__x86_64__)
  if (isa == cpu::Isa::avx512) return peak(pool, fma_avx512, 32);
  if (isa == cpu::Isa::avx2) return peak(pool, fma_avx2, 16);
#endif
  return 0;
}

double int8_peak([[maybe_unused]] cpu::ThreadPool& pool, [[maybe_unused]] cpu::Isa isa) {
#if defined(__x86_64__)
  if (isa == cpu::Isa::avx512) return peak(pool, int8_avx512, 128);
  if (isa == cpu::Isa::avx2) return peak(pool, int8_avx2, 32);
#endif
  return 0;
}

double bf16_peak([[maybe_unused]] cpu::ThreadPool& pool, [[maybe_unused]] cpu::Isa isa) {
#if defined(__x86_64__)
  if (isa == cpu::Isa::avx512 && cpu::features().avx512_bf16) return peak(pool, bf16_avx512, 64);
#endif
  return 0;
}

double barrier_round(int threads) {
  constexpr int rounds = 20'000, repeats = 5;
  std::atomic<int> arrived{0};
  double best = 1;
  const auto meet = [&](double* seconds) {
    for (int repeat = 0, due = 0; repeat < repeats; ++repeat) {
      const double start = now();
      for (int i = 0; i < rounds; ++i) {
        due += threads;
        arrived.fetch_add(1, std::memory_order_acq_rel);
        while (arrived.load(std::memory_order_acquire) < due) {
        }
      }
      if (seconds != nullptr) *seconds = std::min(*seconds, (now() - start) / rounds);
    }
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(meet, nullptr);
  meet(&best);
  for (std::thread& other : others) other.join();
  return best;
}

LimitsProbe::LimitsProbe(cpu::ThreadPool& pool, cpu::Isa isa, std::size_t bytes) : pool_(&pool), isa_(isa), memory_(bytes) {
  pool.for_ranges(
      static_cast<std::int64_t>(bytes),
      [&](std::int64_t begin, std::int64_t end) { std::memset(memory_.data() + begin, 1, static_cast<std::size_t>(end - begin)); }, 4096);
}

double LimitsProbe::read(int passes) const {
  double best = 0;
  for (int pass = 0; pass < passes; ++pass) best = std::max(best, read_bandwidth(*pool_, memory_.data(), memory_.size_bytes()));
  return best;
}

Limits LimitsProbe::measure() const {
  return {.read = read(3), .fma = fma_peak(*pool_, isa_), .int8 = int8_peak(*pool_, isa_), .bf16 = bf16_peak(*pool_, isa_)};
}

}  // namespace vernier::bench
