// The bytes and operations that vernier-bench holds against the machine's limits, counted by hand for one small layer.
#include "bench/cost.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace {

using namespace vernier;
using namespace vernier::bench;

std::shared_ptr<const PackedMatrix> matrix(int n, int k, Precision p) { return std::make_shared<PackedMatrix>(n, k, default_format(p)); }

/// hidden 128, two query heads and one kv head of 64, ffn 256, vocabulary 320.
model::Weights weights(Precision p) {
  model::Weights w;
  w.config.layers = 1, w.config.hidden = 128, w.config.heads = 2, w.config.kv_heads = 1, w.config.head_dim = 64;
  w.config.ffn = 256, w.config.vocab = 320;
  model::LayerWeights& layer = w.layers.emplace_back();
  layer.q.weight = matrix(128, 128, p), layer.k.weight = matrix(64, 128, p), layer.v.weight = matrix(64, 128, p);
  layer.o.weight = matrix(128, 128, p);
  layer.gate.weight = matrix(256, 128, p), layer.up.weight = matrix(256, 128, p), layer.down.weight = matrix(128, 256, p);
  w.embedding = matrix(320, 128, Precision::f16);
  w.head.weight = w.embedding.matrix();
  return w;
}

constexpr double linear_weights = 128 * 128 * 2 + 64 * 128 * 2 + 256 * 128 * 3;
constexpr KvGeometry geometry{.layers = 1, .kv_heads = 1, .head_dim = 64, .num_pages = 4};

TEST(Cost, DecodeReadsEveryWeightAndEveryCachedKey) {
  const model::Weights w = weights(Precision::f16);
  KvCache cache({.precision = Precision::f16}, geometry);
  const KvChunk chunk{.pages = {}, .first = 99, .count = 1};
  const Cost cost = forward_cost(w, model::Activations::i8, cache, {&chunk, 1}, 1);
  const double kv_token = 2 * 64 * 2, embedding_row = 128 * 2;
  EXPECT_DOUBLE_EQ(cost.bytes, static_cast<double>(w.bytes_per_token()) + embedding_row + kv_token * (100 + 1));
  EXPECT_DOUBLE_EQ(cost.f32, 2 * (linear_weights + 320 * 128) + 4.0 * 128 * 100);
  EXPECT_EQ(cost.int8, 0);
}

TEST(Cost, PrefillReadsWeightsOnceAndSkipsTheHeadWithoutOutputs) {
  const model::Weights w = weights(Precision::nf4);
  KvCache cache({.precision = Precision::i8}, geometry);
  const KvChunk chunk{.pages = {}, .first = 10, .count = 3};
  const Cost cost = forward_cost(w, model::Activations::i8, cache, {&chunk, 1}, 0);
  EXPECT_DOUBLE_EQ(cost.int8, 2 * linear_weights * 3);
  EXPECT_DOUBLE_EQ(cost.int16, 4.0 * 128 * (11 + 12 + 13));
  const double all = static_cast<double>(w.bytes_per_token() - w.head.weight->bytes());
  EXPECT_DOUBLE_EQ(cost.bytes, all + 3 * 128 * 2 + 2 * (64 + 4) * (13 + 3));  // a scale of 4 bytes for each key and value
}

TEST(Cost, AWindowHidesOldKeys) {
  model::Weights w = weights(Precision::f16);
  KvCache cache({.precision = Precision::f16}, geometry);
  const KvChunk chunk{.pages = {}, .first = 99, .count = 2};
  const Cost all = forward_cost(w, model::Activations::i8, cache, {&chunk, 1}, 1);
  w.config.sliding_window = 16;
  const Cost windowed = forward_cost(w, model::Activations::i8, cache, {&chunk, 1}, 1);
  EXPECT_DOUBLE_EQ(all.f32 - windowed.f32, 4.0 * 128 * (100 + 101 - 2 * 16));
  EXPECT_DOUBLE_EQ(all.bytes - windowed.bytes, 2 * 64 * 2 * (101 - 17));
}

TEST(Cost, TheSlowerOfMemoryAndArithmeticBounds) {
  const Limits limits{.read = 100, .fma = 10, .int8 = 40, .bf16 = 0};
  EXPECT_TRUE(bound({.bytes = 300, .int8 = 40}, limits).memory());
  EXPECT_DOUBLE_EQ(bound({.bytes = 300, .int8 = 40}, limits).seconds(), 3);
  EXPECT_DOUBLE_EQ(bound({.bytes = 100, .f32 = 10, .bf16 = 20, .int8 = 40}, limits).seconds(), 1 + 2 + 1);  // bf16 by float instructions
}

TEST(Cost, OnAGpuCountsByTheOperandsOfItsTensorCores) {
  KvCache cache({.precision = Precision::e4m3}, geometry), in_bf16({.precision = Precision::bf16}, geometry);
  const KvChunk chunk{.pages = {}, .first = 9, .count = 1};
  const auto cost = [&](Precision p, model::Activations activations, const KvPages& pages) {
    return forward_cost(weights(p), activations, pages, {&chunk, 1}, 0, Multiplier::cuda);
  };
  const double products = 2 * linear_weights, attention = 4.0 * 128 * 10;
  EXPECT_DOUBLE_EQ(cost(Precision::nf4, model::Activations::i8, cache).f16, products + attention);
  EXPECT_DOUBLE_EQ(cost(Precision::i8, model::Activations::i8, cache).int8, products);
  EXPECT_DOUBLE_EQ(cost(Precision::i8, model::Activations::f32, cache).f16, products + attention);
  EXPECT_DOUBLE_EQ(cost(Precision::bf16, model::Activations::f32, in_bf16).bf16, products + attention);
  EXPECT_DOUBLE_EQ(bound({.bytes = 10, .f16 = 40}, {.read = 10, .f16 = 20}).seconds(), 2);
}

}  // namespace
