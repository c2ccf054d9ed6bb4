// The operands and the check of the GPU benchmark of attention, on the emulator.
#include <gtest/gtest.h>

#include "cuda/attention_operands.cuh"
#include "vernier/attention/precompiled.cuh"

namespace vernier::bench {
namespace {

void expect_told_apart(const AttentionCase& c) {
  SCOPED_TRACE(concat(name(c.kv), ", ", c.batch, " x ", c.tokens, " behind ", c.depth));
  const cuda::OwnedStream stream;
  AttentionOperands operands(Arch::sm80, 4, c, 2, stream);
  for (const int layer : {0, 1}) {
    operands.forget_result();
    EXPECT_GT(operands.worst(layer), 1) << "nothing was computed";
    operands.run(layer);
    EXPECT_LE(operands.worst(layer), 1) << "layer " << layer;
  }
}

constexpr ModelShape tiny() {
  ModelShape model = llama_8b;
  model.heads = 4;
  model.kv_heads = 2;
  model.head_dim = 64;
  return model;
}

TEST(AttentionOperands, TellRightFromWrong) {
  for (const Precision kv : {Precision::f16, Precision::e4m3, Precision::i8}) expect_told_apart({tiny(), kv, 2, 300, 1});
  expect_told_apart({tiny(), Precision::f16, 1, 0, 40});
  expect_told_apart({tiny(), Precision::bf16, 1, 17, 3});
}

}  // namespace
}  // namespace vernier::bench
