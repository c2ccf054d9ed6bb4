// The steps that the GPU benchmark of a layer's other steps times, on the emulator: each passes its own check, and its result is looked at.
#include "cuda/ops_steps.cuh"

#include <gtest/gtest.h>

namespace vernier::bench {
namespace {

void expect_right(const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    SCOPED_TRACE(step.name);
    EXPECT_GT(step.bytes, 0);
    EXPECT_FALSE(step.worst() <= 1) << "what another step has left passes for a result";
    step.launch();
    EXPECT_LE(step.worst(), 1);
  }
}

TEST(OpsSteps, AreRight) {
  const cuda::OwnedStream stream;
  ModelShape model = llama_8b;
  model.hidden = 96;
  model.ffn = 160;
  OpsSteps<Arch::sm80> steps(model, 3, stream);
  expect_right(steps.steps());
}

TEST(SampleSteps, AreRight) {
  const cuda::OwnedStream stream;
  SampleSteps<Arch::sm80> steps(2, 5000, stream);
  for (const Step& step : steps.steps()) {
    EXPECT_FALSE(step.worst() <= 1) << "no token was chosen yet";
    step.launch();
    EXPECT_EQ(step.worst(), 0) << step.name;
    break;  // the next finds the token of this one, which may be drawn
  }
  const Step draw = steps.steps()[1];
  draw.launch();
  EXPECT_EQ(draw.worst(), 0);
}

}  // namespace
}  // namespace vernier::bench
