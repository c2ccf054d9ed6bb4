// See options.hpp.
#include "bench/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "common/activations_flag.hpp"
#include "common/cpu_range.hpp"
#include "common/device/device.hpp"
#include "common/weight_cache_flags.hpp"
#include "vernier/core/error.hpp"

namespace vernier::bench {
namespace {

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (std::size_t end; (end = text.find(at)) != std::string_view::npos; text.remove_prefix(end + 1)) parts.push_back(text.substr(0, end));
  parts.push_back(text);
  return parts;
}

int number(std::string_view flag, std::string_view text, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  expect(error == std::errc() && end == text.data() + text.size() && value >= least && value <= most, flag, "'", text,
         "', expected whole numbers from ", least, " to ", most, ", as in 1,8,64 or 1-16*2");
  return value;
}

/// first-last, first-last+step or first-last*factor.
void add_range(std::string_view flag, std::string_view text, int least, int most, std::vector<int>& values) {
  const std::size_t dash = text.find('-'), rule = text.find_first_of("+*");
  if (dash == std::string_view::npos) {
    values.push_back(number(flag, text, least, most));
    return;
  }
  const int first = number(flag, text.substr(0, dash), least, most);
  const int last = number(flag, text.substr(dash + 1, rule == std::string_view::npos ? rule : rule - dash - 1), least, most);
  const bool multiply = rule != std::string_view::npos && text[rule] == '*';
  const int step = rule == std::string_view::npos ? 1 : number(flag, text.substr(rule + 1), 1, most);
  expect(!multiply || (step > 1 && first > 0), flag, "'", text, "' never ends; multiply a number above 0 by 2 or more");
  for (long long value = first; value <= last; value = multiply ? value * step : value + step) values.push_back(static_cast<int>(value));
}

/// All the comma-separated parts of a flag that may be given several times.
std::vector<std::string> words(const std::vector<std::string>& given) {
  std::vector<std::string> all;
  for (const std::string& text : given)
    for (std::string_view part : split(text, ',')) all.emplace_back(part);
  return all;
}

std::vector<Precision> precisions(std::string_view flag, const std::vector<std::string>& given, bool kv) {
  std::vector<Precision> all;
  for (const std::string& word : words(given)) {
    const auto p = parse_precision(word);
    expect(p.has_value() && *p != Precision::f32 && (!kv || is_kv_precision(*p)), flag, "'", word, "', expected ",
           kv ? "f16, bf16, i8, e4m3 or e5m2" : "f16, bf16, i8, e4m3, e5m2 or nf4");
    all.push_back(*p);
  }
  return all;
}

/// As they come from the command line.
struct Raw {
  std::vector<std::string> models, weights, plans, prompt{"512"}, gen{"128"}, pairs, depths{"0"}, threads, sequences{"1"}, keys, values;
  std::string cpu_range, activations = "auto", output = "md";
  int batch = 2048, micro_batch = 512;
};

void declare(CLI::App& app, Raw& raw, Options& o) {
  app.add_option("-m,--model", raw.models, "GGUF file or Hugging Face folder; needs no tokenizer")->required();
  app.add_option("--weights", raw.weights, "formats of the linear layers: f16, bf16, i8, e4m3, e5m2, nf4 (default: nf4,i8,f16)");
  app.add_option("--plan", raw.plans, "layer plans: files that give each matrix its format, or mixed; measured after --weights");
  app.add_option("-p,--n-prompt", raw.prompt, "tokens of the prompt that is timed (default: 512)");
  app.add_option("-n,--n-gen", raw.gen, "generated tokens that are timed (default: 128)");
  app.add_option("--pg", raw.pairs, "prompt,generated: both timed together")->delimiter(' ');
  app.add_option("-d,--n-depth", raw.depths, "tokens already in the cache (default: 0)");
  app.add_option("--sequences", raw.sequences, "sequences that generate at once; each has its own cache (default: 1)");
  app.add_option("-b,--batch-size", raw.batch, "most tokens of one forward, with -ub")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 16));
  app.add_option("--ubatch-size", raw.micro_batch, "the same, also -ub; the smaller one counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 16));
  app.add_option("--cache-type-k", raw.keys, "formats of cached keys and values, also -ctk: f16, bf16, i8, e4m3, e5m2 (default: f16)");
  app.add_option("--cache-type-v", raw.values, "also -ctv; keys and values share a format, so this must name the same");
  app.add_option("-t,--threads", raw.threads, "worker threads (default: one per processor, or for each of --cpu-range)");
  app.add_option("--cpu-range", raw.cpu_range, cpu_range_help);
  add_activations_flag(app, raw.activations);
  app.add_option("-r,--repetitions", o.repetitions, "of each test")->capture_default_str()->check(CLI::Range(1, 1000));
  app.add_flag("!--no-warmup", o.warmup, "do not run each test once before it is timed");
  app.add_option("--device", o.device, model::device_help)->capture_default_str();
  add_weight_cache_flags(app, o.weight_cache);
  app.add_option("-o,--output", raw.output, "md, json or csv")->capture_default_str()->check(CLI::IsMember({"md", "json", "csv"}));
}

/// CLI11 takes one letter after a single dash; llama-bench has three such flags.
std::vector<std::string> arguments(int argc, char** argv) {
  std::vector<std::string> all;
  for (int i = argc - 1; i > 0; --i) {  // CLI11 wants them last first
    std::string word = argv[i];
    if (word == "-ctk") word = "--cache-type-k";
    if (word == "-ctv") word = "--cache-type-v";
    if (word == "-ub") word = "--ubatch-size";
    if (word == "-pg") word = "--pg";
    all.push_back(std::move(word));
  }
  return all;
}

std::vector<int> numbers(std::string_view flag, const std::vector<std::string>& given, int least, int most) {
  std::vector<int> all;
  for (const std::string& text : given)
    for (int value : parse_numbers(flag, text, least, most)) all.push_back(value);
  return all;
}

std::vector<Phase> phases(const Raw& raw) {
  constexpr int most = 1 << 20;
  std::vector<Phase> all;
  for (int n : numbers("--n-prompt", raw.prompt, 0, most))
    if (n != 0) all.push_back({n, 0});
  for (int n : numbers("--n-gen", raw.gen, 0, most))
    if (n != 0) all.push_back({0, n});
  for (const std::string& pair : raw.pairs) {
    const std::vector<int> both = parse_numbers("-pg", pair, 1, most);
    expect(both.size() == 2, "-pg", "'", pair, "', expected prompt,generated as in 512,128");
    all.push_back({both[0], both[1]});
  }
  expect(!all.empty(), "-p and -n", "both are 0, so there is nothing to time");
  return all;
}

}  // namespace

std::vector<int> parse_numbers(std::string_view flag, std::string_view text, int least, int most) {
  std::vector<int> values;
  for (std::string_view part : split(text, ',')) add_range(flag, part, least, most, values);
  return values;
}

Options parse(int argc, char** argv, CLI::App& app) {
  Options o;
  Raw raw;
  declare(app, raw, o);
  app.parse(arguments(argc, argv));

  o.models = words(raw.models);
  for (Precision p : precisions("--weights", raw.weights, false)) o.weights.emplace_back(name(p));
  if (raw.weights.empty() && raw.plans.empty()) o.weights = {"nf4", "i8", "f16"};
  for (std::string& plan : words(raw.plans)) o.weights.push_back(std::move(plan)), ++o.plans;
  o.phases = phases(raw);
  o.depths = numbers("--n-depth", raw.depths, 0, 1 << 20);
  o.sequences = numbers("--sequences", raw.sequences, 1, 4096);
  o.threads = numbers("--threads", raw.threads, 1, 1024);
  if (!raw.cpu_range.empty()) o.processors = parse_cpu_range(raw.cpu_range);
  if (o.threads.empty()) o.threads = {default_threads(o.processors)};
  for (int threads : o.threads) processors_for(threads, o.processors);
  if (!raw.keys.empty()) o.kv = precisions("--cache-type-k", raw.keys, true);
  expect(raw.values.empty() || precisions("--cache-type-v", raw.values, true) == o.kv, "--cache-type-v",
         "differs from --cache-type-k; keys and values are cached in the same format");
  o.activations = model::parse_activations(raw.activations);
  o.batch = std::min(raw.batch, raw.micro_batch);
  o.output = raw.output == "json" ? Output::json : raw.output == "csv" ? Output::csv : Output::markdown;
  return o;
}

}  // namespace vernier::bench
