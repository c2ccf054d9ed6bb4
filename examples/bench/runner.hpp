// Runs one test of vernier-bench: fills the cache to the depth, then times prompts and generated tokens, with the machine's limits
// measured just before each repetition.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "bench/cost.hpp"
#include "bench/options.hpp"
#include "common/device/device.hpp"
#include "common/limits.hpp"

namespace vernier::bench {

/// One row of the table.
struct Test {
  Phase phase;
  int depth = 0;      // tokens in each cache before the clock starts
  int sequences = 1;  // prompts are run one after the other, tokens are generated for all at once
  Precision kv = Precision::f16;

  int tokens() const { return (phase.n_prompt + phase.n_gen) * sequences; }
};

struct Sample {
  double seconds = 0;
  Limits limits;  // just before
};

struct Result {
  Test test;
  Cost cost;  // of one repetition
  std::vector<Sample> samples;
};

/// A model on its device.
class Runner {
 public:
  /// Nothing is owned but a share of the weights. measure_limits: those of what the model runs on, now.
  Runner(std::shared_ptr<const model::Weights> weights, model::Device& device, std::function<Limits()> measure_limits,
         const Options& options);

  /// Throws Error when the caches of the test do not fit in memory.
  Result run(const Test& test);

 private:
  struct Batch;
  Cost once(const Test& test, Batch& batch, int n_prompt, int n_gen);
  void forward(Batch& batch, int outputs);

  std::shared_ptr<const model::Weights> weights_;
  std::function<Limits()> measure_limits_;
  Multiplier multiplier_;
  const Options* options_;
  std::unique_ptr<model::PlacedModel> llama_;
  std::uint32_t random_ = 1;
};

}  // namespace vernier::bench
