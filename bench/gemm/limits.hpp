// What the machine can do at most, measured by loops that do nothing else: the yardstick of the benchmarks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vernier/cpu/features.hpp"
#include "vernier/cpu/parallel.hpp"

namespace vernier::bench {

/// Seconds on a steady clock, or, with cpu_time, of this thread's time on a core: for one thread on a machine that others use too.
double now();
void use_cpu_time();

/// Bytes per second when every thread of the pool reads its own contiguous share of `bytes` at `data`.
double read_bandwidth(cpu::ThreadPool& pool, const std::uint8_t* data, std::size_t bytes);

/// Operations per second of the whole pool in registers: float multiply-adds (2 each), bytes through VNNI (2 per product), and bf16 dots.
/// Zero where the family has no such instruction.
double fma_peak(cpu::ThreadPool& pool, cpu::Isa isa);
double int8_peak(cpu::ThreadPool& pool, cpu::Isa isa);
double bf16_peak(cpu::ThreadPool& pool, cpu::Isa isa);

}  // namespace vernier::bench
