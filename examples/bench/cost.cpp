// See cost.hpp.
#include "bench/cost.hpp"

#include <algorithm>

#include "common/model/cuda_operand.hpp"

namespace vernier::bench {
namespace {

/// Where the operations of a product count.
double& product_operations(Cost& cost, const WeightFormat& w, model::Activations activations, Multiplier multiplier) {
  if (multiplier == Multiplier::cuda) {
    const Precision operand = model::cuda_operand(w, activations != model::Activations::f32);
    return operand == Precision::i8 ? cost.int8 : operand == Precision::bf16 ? cost.bf16 : cost.f16;
  }
  switch (model::multiply_for(w, activations)) {
    case cpu::Multiply::bf16: return cost.bf16;
    case cpu::Multiply::i16: return cost.int16;
    case cpu::Multiply::i8: return cost.int8;
    case cpu::Multiply::f32: break;
  }
  return cost.f32;
}

/// Where attention's operations count. On a GPU codes become f16, or bf16 stay so; on a processor 16-bit caches are multiplied in float,
/// int8 in pairs of 16 bits, 8-bit floats as bf16 where the machine has it.
double& attention_operations(Cost& cost, Precision kv, Multiplier multiplier) {
  if (multiplier == Multiplier::cuda) return kv == Precision::bf16 ? cost.bf16 : cost.f16;
  if (kv == Precision::i8) return cost.int16;
  return bits(kv) == 8 && cpu::selected_isa() == cpu::Isa::avx512 ? cost.bf16 : cost.f32;
}

/// Pairs of a token of the chunk and a position that it sees.
double pairs(const KvChunk& chunk, int window) {
  double sum = 0;
  for (int position = chunk.first; position < chunk.first + chunk.count; ++position)
    sum += window > 0 ? std::min(position + 1, window) : position + 1;
  return sum;
}

}  // namespace

Cost& Cost::operator+=(const Cost& other) {
  bytes += other.bytes;
  f32 += other.f32;
  bf16 += other.bf16;
  int8 += other.int8;
  int16 += other.int16;
  f16 += other.f16;
  return *this;
}

Cost forward_cost(const model::Weights& weights, model::Activations activations, const KvPages& cache, std::span<const KvChunk> batch,
                  int outputs, Multiplier multiplier) {
  const model::ModelConfig& config = weights.config;
  const double token_bytes = static_cast<double>(cache.layout().run_bytes()) * config.kv_heads / cache.config().page_tokens;
  int tokens = 0;
  for (const KvChunk& chunk : batch) tokens += chunk.count;

  Cost cost;
  // y = x * W^T: the weights are read once for all tokens.
  const auto add_matrix = [&](const PackedMatrix& w, int rows) {
    if (rows == 0) return;
    cost.bytes += static_cast<double>(w.bytes());
    product_operations(cost, w.format(), activations, multiplier) += 2.0 * w.n() * w.k() * rows;
  };
  cost.bytes += weights.embedding.row_bytes() * tokens;
  for (int index = 0; index < config.layers; ++index) {
    const model::LayerWeights& layer = weights.layers[static_cast<std::size_t>(index)];
    for (const model::Linear* linear : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down})
      add_matrix(*linear->weight, tokens);
    const int window = config.window(index);
    for (const KvChunk& chunk : batch) {
      const int seen = chunk.first + chunk.count, kept = window > 0 ? std::min(seen, window + chunk.count - 1) : seen;
      cost.bytes += token_bytes * (kept + chunk.count);  // read all, write the new
      attention_operations(cost, cache.config().precision, multiplier) += 4.0 * config.q_width() * pairs(chunk, window);
    }
  }
  add_matrix(*weights.head.weight, outputs);
  return cost;
}

Bound bound(const Cost& cost, const Limits& limits) {
  const auto seconds = [&](double operations, double peak) {
    const double best = peak > 0 ? peak : limits.fma;  // without the instruction, floats do its work
    return best > 0 ? operations / best : 0;           // scalar machines have no peak loop
  };
  return {cost.bytes / limits.read, seconds(cost.f32, limits.fma) + seconds(cost.bf16, limits.bf16) + seconds(cost.int8, limits.int8) +
                                        seconds(cost.int16, limits.int8 / 2) + seconds(cost.f16, limits.f16)};
}

}  // namespace vernier::bench
