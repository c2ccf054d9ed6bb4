// What a forward has to do at least: bytes to read and operations to compute. Counted from the model, not measured; divided by the
// machine's limits it gives the time that no implementation of this model in these formats can beat.
#pragma once

#include <span>

#include "common/limits.hpp"
#include "common/model/cpu_backend.hpp"
#include "common/model/weights.hpp"
#include "vernier/kv/sequence.hpp"

namespace vernier::bench {

/// A multiply-add is two operations.
struct Cost {
  double bytes = 0;                               // codes and scales of weights, keys and values; activations stay in the caches
  double f32 = 0, bf16 = 0, int8 = 0, int16 = 0;  // operations, by the instructions that do them
  double f16 = 0;                                 // those of a GPU

  double operations() const { return f32 + bf16 + int8 + int16 + f16; }
  Cost& operator+=(const Cost& other);
};

/// Whose instructions multiply.
enum class Multiplier : unsigned char { cpu, cuda };

/// One forward of a batch of chunks, of which `outputs` tokens get logits.
Cost forward_cost(const model::Weights& weights, model::Activations activations, const KvPages& cache, std::span<const KvChunk> batch,
                  int outputs, Multiplier multiplier = Multiplier::cpu);

/// The shortest time, and what bounds it.
struct Bound {
  double memory_seconds = 0, arithmetic_seconds = 0;

  bool memory() const { return memory_seconds >= arithmetic_seconds; }
  double seconds() const { return memory() ? memory_seconds : arithmetic_seconds; }
};

Bound bound(const Cost& cost, const Limits& limits);

}  // namespace vernier::bench
