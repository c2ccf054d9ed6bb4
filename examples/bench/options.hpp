// What vernier-bench is asked to measure. Flags and list syntax are llama-bench's, so that one command line measures both.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/model/cpu_backend.hpp"
#include "common/model/weight_cache.hpp"
#include "vernier/types/precision.hpp"

namespace CLI {
class App;
}

namespace vernier::bench {

/// A prompt of n_prompt tokens, then n_gen generated tokens, both timed together; one of the two may be zero.
struct Phase {
  int n_prompt = 0, n_gen = 0;
};

enum class Output : unsigned char { markdown, json, csv };

/// Every list is crossed with every other.
struct Options {
  std::vector<std::string> models;
  std::vector<std::string> weights;  // names of precisions, then plans; see plans
  std::size_t plans = 0;             // how many of `weights`, at its end, are layer plans
  std::vector<Precision> kv{Precision::f16};
  std::vector<Phase> phases;
  std::vector<int> depths{0}, threads, sequences{1};
  std::vector<int> processors;  // that workers are kept on, one each; empty: the system places them
  model::Activations activations = model::default_activations;
  model::WeightCache weight_cache;
  std::string device = "auto";
  int repetitions = 5, batch = 512;
  bool warmup = true;
  Output output = Output::markdown;
};

/// "1,8,64", "1-4", "512-2048+512", "1-16*2" and mixtures. Throws Error naming `flag` on anything else or a value outside [least, most].
std::vector<int> parse_numbers(std::string_view flag, std::string_view text, int least, int most);

/// Throws CLI::Error or Error for a command line that cannot be run.
Options parse(int argc, char** argv, CLI::App& app);

}  // namespace vernier::bench
