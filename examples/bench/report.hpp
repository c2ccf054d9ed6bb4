// Prints what vernier-bench measured: a Markdown table as it goes, or JSON or CSV with llama-bench's field names.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/runner.hpp"

namespace vernier::bench {

/// What the rows of one loaded model share.
struct Subject {
  std::string file;     // as given
  std::string type;     // "llama 1.24 B"
  std::string weights;  // a precision or a plan
  std::size_t bytes = 0, parameters = 0;
  std::size_t token_bytes = 0;  // of weights that one decoded token reads: layers and head, not the embedding
  double load_seconds = 0;
  int threads = 0;       // 0 where the model does not run on them
  std::string device{};  // as Device::name()
};

/// Writes to standard output. The last row is complete only after finish().
class Report {
 public:
  explicit Report(const Options& options) : options_(&options) {}

  void add(const Subject& subject, const Result& result);
  void finish();

 private:
  void markdown(const Subject& subject, const Result& result);
  void json(const Subject& subject, const Result& result);
  void csv(const Subject& subject, const Result& result);

  const Options* options_;
  std::size_t rows_ = 0;
};

/// Tokens per second of each repetition.
std::vector<double> tokens_per_second(const Result& result);

}  // namespace vernier::bench
