// The command line of vernier-server: llama-server's and vLLM's names for the usual flags, ours where neither has one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/model/weight_cache.hpp"

namespace vernier::serve {

struct Options {
  std::string model;
  std::string served_name;  // empty: from the path
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  int threads = 0;              // 0: one per processor, or for each of `processors`
  std::vector<int> processors;  // that threads are kept on, one each; empty: the system places them
  int context = 0;              // 0: the model's, or what the cache holds if that is less
  std::string kv = "auto";      // auto, or the format for every tier
  model::WeightCache weight_cache{.where = "auto"};
  std::string activations = "auto";  // auto, or what all tiers round activations to
  std::string device = "auto";       // auto, cpu, cuda or cuda:N
  int kv_memory_mib = 0;             // for keys and values of all tiers together; 0: 1024 on the processor, see below on a GPU
  double gpu_memory = 0.9;           // of a GPU's memory: what weights, activations, keys and values may take together
  std::string chat_template_file;
  std::vector<std::string> tiers{"nf4", "i8", "f16"};
  std::string tier = "auto";  // of requests that do not force one
  int max_sequences = 16, max_queue = 128, batch_tokens = 256;
  std::string api_key, cors_origin;
  int drain_seconds = 30;
  std::string log_level = "info";
  int max_body_mib = 8;
};

/// What to do after parsing.
struct Parsed {
  Options options;
  int exit_code = -1;  // not negative: print `text` and exit with this
  std::string text;    // help, version, or one line about what is wrong
};

/// Never throws, never exits, never prints.
Parsed parse_options(int argc, const char* const* argv);

}  // namespace vernier::serve
