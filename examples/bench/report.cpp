// See report.hpp.
#include "bench/report.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "common/spread.hpp"

namespace vernier::bench {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(std::max<std::size_t>(values.size(), 1));
}

/// Of a sample, as llama-bench computes it.
double deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double middle = mean(values);
  double sum = 0;
  for (double value : values) sum += (value - middle) * (value - middle);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

template <class F>
std::vector<double> each(const Result& result, F&& of) {
  std::vector<double> values;
  for (const Sample& sample : result.samples) values.push_back(of(sample));
  return values;
}

/// "pp512", "tg128 @ d4096", "pp512+tg128", "tg128 x 8".
std::string test_name(const Test& test) {
  std::string text;
  if (test.phase.n_prompt > 0) text += concat("pp", test.phase.n_prompt);
  if (test.phase.n_gen > 0) text += concat(text.empty() ? "" : "+", "tg", test.phase.n_gen);
  if (test.sequences > 1) text += concat(" x ", test.sequences);
  if (test.depth > 0) text += concat(" @ d", test.depth);
  return text;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.find(':') + 2, line.size()));
  return "unknown";
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof(text), "%FT%TZ", std::gmtime(&now));
  return text;
}

/// Medians over the repetitions, beside the limits of the same moments.
struct Summary {
  double bytes_per_second, operations_per_second, of_limit;
  Limits limits;
  bool memory;  // what bounds the test
};

Summary summarize(const Result& r) {
  const auto limit = [&](auto member) { return median(each(r, [&](const Sample& s) { return s.limits.*member; })); };
  const Limits limits{.read = limit(&Limits::read),
                      .fma = limit(&Limits::fma),
                      .int8 = limit(&Limits::int8),
                      .bf16 = limit(&Limits::bf16),
                      .f16 = limit(&Limits::f16)};
  return {.bytes_per_second = median(each(r, [&](const Sample& s) { return r.cost.bytes / s.seconds; })),
          .operations_per_second = median(each(r, [&](const Sample& s) { return r.cost.operations() / s.seconds; })),
          .of_limit = median(each(r, [&](const Sample& s) { return bound(r.cost, s.limits).seconds() / s.seconds; })),
          .limits = limits,
          .memory = bound(r.cost, limits).memory()};
}

boost::json::object fields(const Options& o, const Subject& subject, const Result& result) {
  const Test& test = result.test;
  const Summary summary = summarize(result);
  const std::vector<double> rates = tokens_per_second(result);
  const std::vector<double> times = each(result, [](const Sample& s) { return s.seconds * 1e9; });
  boost::json::array samples_ns, samples_ts;
  for (double t : times) samples_ns.emplace_back(std::llround(t));
  for (double rate : rates) samples_ts.emplace_back(rate);
  return {{"cpu_info", cpu_name()},
          {"backends", concat("vernier ", subject.device)},
          {"model_filename", subject.file},
          {"model_type", concat(subject.type, ' ', subject.weights)},
          {"model_size", subject.bytes},
          {"model_n_params", subject.parameters},
          {"n_batch", o.batch},
          {"n_ubatch", o.batch},
          {"n_threads", subject.threads},
          {"type_k", name(test.kv)},
          {"type_v", name(test.kv)},
          {"n_prompt", test.phase.n_prompt},
          {"n_gen", test.phase.n_gen},
          {"n_depth", test.depth},
          {"test_time", utc_now()},
          {"avg_ns", std::llround(mean(times))},
          {"stddev_ns", std::llround(deviation(times))},
          {"avg_ts", mean(rates)},
          {"stddev_ts", deviation(rates)},
          {"weights", subject.weights},
          {"activations", model::name(o.activations)},
          {"n_sequences", test.sequences},
          {"load_seconds", subject.load_seconds},
          {"weight_bytes_per_token", subject.token_bytes},
          {"median_ts", median(rates)},
          {"bytes", result.cost.bytes},
          {"operations", result.cost.operations()},
          {"bytes_per_second", summary.bytes_per_second},
          {"operations_per_second", summary.operations_per_second},
          {"limit", summary.memory ? "memory" : "arithmetic"},
          {"of_limit", summary.of_limit},
          {"limit_read", summary.limits.read},
          {"limit_f32", summary.limits.fma},
          {"limit_f16", summary.limits.f16},
          {"limit_bf16", summary.limits.bf16},
          {"limit_int8", summary.limits.int8},
          {"samples_ns", samples_ns},
          {"samples_ts", samples_ts}};
}

}  // namespace

std::vector<double> tokens_per_second(const Result& result) {
  return each(result, [&](const Sample& s) { return result.test.tokens() / s.seconds; });
}

void Report::markdown(const Subject& subject, const Result& result) {
  if (rows_ == 0) {
    std::printf("| model | weights | size | params | KV | threads | test | t/s | MB | GB/s | GOP/s | of the limit |\n");
    std::printf("| --- | --- | --: | --: | --- | --: | --- | --: | --: | --: | --: | --- |\n");
  }
  const Summary summary = summarize(result);
  const std::vector<double> rates = tokens_per_second(result);
  const Bound least = bound(result.cost, summary.limits);
  const std::string limit = summary.memory ? concat(std::lround(summary.limits.read * 1e-9), " GB/s")
                                           : concat(std::lround(result.cost.operations() / least.arithmetic_seconds * 1e-9), " GOP/s");
  const std::string share = concat(std::lround(100 * summary.of_limit), " % of ", limit);
  const std::string threads = subject.threads != 0 ? concat(subject.threads) : subject.device.substr(0, subject.device.find(' '));
  std::printf("| %s | %s | %.2f GiB | %.2f B | %s | %s | %s | %.2f ± %.2f | %.0f | %.1f | %.1f | %s |\n", subject.type.c_str(),
              subject.weights.c_str(), static_cast<double>(subject.bytes) * 0x1p-30, static_cast<double>(subject.parameters) * 1e-9,
              name(result.test.kv).data(), threads.c_str(), test_name(result.test).c_str(), mean(rates), deviation(rates),
              result.cost.bytes * 1e-6, summary.bytes_per_second * 1e-9, summary.operations_per_second * 1e-9, share.c_str());
}

void Report::json(const Subject& subject, const Result& result) {
  std::printf("%s\n  %s", rows_ == 0 ? "[" : ",", boost::json::serialize(fields(*options_, subject, result)).c_str());
}

/// Everything but the samples.
void Report::csv(const Subject& subject, const Result& result) {
  std::string head, line;
  for (const auto& [key, value] : fields(*options_, subject, result)) {
    if (value.is_array()) continue;
    const bool first = head.empty();
    head += concat(first ? "" : ",", std::string_view(key));
    std::string text = value.is_string() ? std::string(value.get_string()) : boost::json::serialize(value);
    for (std::size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2) text.insert(at, 1, '"');
    line += concat(first ? "\"" : ",\"", text, '"');
  }
  if (rows_ == 0) std::puts(head.c_str());
  std::puts(line.c_str());
}

void Report::add(const Subject& subject, const Result& result) {
  switch (options_->output) {
    case Output::markdown: markdown(subject, result); break;
    case Output::json: json(subject, result); break;
    case Output::csv: csv(subject, result); break;
  }
  ++rows_;
  std::fflush(stdout);
}

void Report::finish() {
  if (options_->output == Output::json) std::puts(rows_ == 0 ? "[]" : "\n]");
}

}  // namespace vernier::bench
