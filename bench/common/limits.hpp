// What the machine can do at most, measured by loops that do nothing else: the yardstick of the benchmarks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vernier/core/buffer.hpp"
#include "vernier/cpu/features.hpp"
#include "vernier/cpu/parallel.hpp"

namespace vernier::bench {

/// Seconds on a steady clock, or, with cpu_time, of this thread's time on a core: for one thread on a machine that others use too.
double now();
void use_cpu_time();

/// Bytes per second when every thread of the pool reads its own contiguous share of `bytes` at `data`, `passes` times over.
double read_bandwidth(cpu::ThreadPool& pool, const std::uint8_t* data, std::size_t bytes, int passes = 1);

/// Operations per second of the whole pool in registers: float multiply-adds (2 each), bytes through VNNI (2 per product), and bf16 dots.
/// Zero where the family has no such instruction.
double fma_peak(cpu::ThreadPool& pool, cpu::Isa isa);
double int8_peak(cpu::ThreadPool& pool, cpu::Isa isa);
double bf16_peak(cpu::ThreadPool& pool, cpu::Isa isa);

/// Seconds that this many threads, spinning, take to meet once: a few dozen nanoseconds when they share a cache, several times that
/// otherwise.
double barrier_round(int threads);

/// The machine at this moment. A virtual machine's bandwidth changes by the minute, and so does what other processes leave of it.
struct Limits {
  double read = 0;                     // bytes per second from memory
  double fma = 0, int8 = 0, bf16 = 0;  // operations per second; zero where there is no such instruction
  double f16 = 0;                      // of a GPU's tensor cores; processors multiply f16 as float
};

/// Measures Limits with a pool of the caller's. Holds the memory that it reads: more than the caches do, in huge pages where it can.
class LimitsProbe {
 public:
  static constexpr std::size_t default_bytes = std::size_t{256} << 20;

  explicit LimitsProbe(cpu::ThreadPool& pool, cpu::Isa isa, std::size_t bytes = default_bytes);

  /// Bytes per second, the best of `passes`: 5 ms each at 50 GB/s.
  double read(int passes) const;
  /// All of them, in about a tenth of a second.
  Limits measure() const;

  const std::uint8_t* memory() const { return memory_.data(); }
  std::size_t bytes() const { return memory_.size_bytes(); }

 private:
  cpu::ThreadPool* pool_;
  cpu::Isa isa_;
  Buffer<std::uint8_t> memory_;
};

}  // namespace vernier::bench
