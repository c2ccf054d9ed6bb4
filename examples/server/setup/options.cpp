// The one file that compiles CLI11.
#include "server/setup/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "common/activations_flag.hpp"
#include "common/cpu_range.hpp"
#include "common/device/device.hpp"
#include "common/weight_cache_flags.hpp"
#include "vernier/core/error.hpp"

namespace vernier::serve {
namespace {

/// llama-server has short flags of several letters, which CLI11 would read as several flags.
std::vector<std::string> spelled_out(int argc, const char* const* argv) {
  static constexpr std::pair<const char*, const char*> names[] = {
      {"-ctk", "--cache-type-k"}, {"-ctv", "--cache-type-v"}, {"-np", "--parallel"},   {"-cb", "--cont-batching"},
      {"-tb", "--threads-batch"}, {"-ngl", "--n-gpu-layers"}, {"-sm", "--split-mode"}, {"-ts", "--tensor-split"}};
  std::vector<std::string> out;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    for (const auto& [name, full] : names)
      if (word == name) word = full;
    out.push_back(std::move(word));
  }
  return out;
}

const std::vector<std::string> known_tiers{"nf4", "i8", "f16"};

struct Extra {
  std::string kv_values, cpu_range, layers_on_gpu;
  bool ignored = false;
  int threads_batch = 0;
};

void add_options(CLI::App& app, Options& o, Extra& extra) {
  const auto positive = CLI::Range(1, 1 << 20);
  const auto kv = CLI::IsMember({"auto", "f16", "bf16", "i8", "e4m3", "e5m2"});
  app.add_option("model_path,-m,--model,--model-path", o.model, "GGUF file or Hugging Face folder")->required();
  app.add_option("-a,--served-model-name,--alias", o.served_name, "name in answers (default: from the path)");
  app.add_option("--host", o.host, "address to listen on")->capture_default_str();
  app.add_option("--port", o.port, "port to listen on; 0 takes a free one and prints it")->capture_default_str();
  app.add_option("-t,--threads", o.threads, "threads that compute (0: one per processor, or for each of --cpu-range)")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  app.add_option("--cpu-range", extra.cpu_range, cpu_range_help);
  app.add_option("-c,--ctx-size,--max-model-len,--context-length", o.context, "most tokens of prompt and answer together (0: the model's)")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 30));
  app.add_option("--kv-cache-dtype,--cache-type-k", o.kv, "format of cached keys and values (-ctk); auto: as the tier says")
      ->capture_default_str()
      ->check(kv);
  app.add_option("--cache-type-v", extra.kv_values, "as llama-server's -ctv; must equal --cache-type-k")->check(kv);
  app.add_option("--device", o.device, model::device_help)->capture_default_str();
  app.add_option("--gpu-memory-utilization", o.gpu_memory,
                 "share of a GPU's memory that weights, activations, keys and values may take together")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 1.0));
  app.add_option("--n-gpu-layers,--gpu-layers,--split-mode,--tensor-split,--main-gpu", extra.layers_on_gpu, "")->group("");
  app.add_option("--kv-cache-memory", o.kv_memory_mib,
                 "MiB for keys and values of all tiers together (default: 1024; on a GPU, what --gpu-memory-utilization leaves)")
      ->check(positive);
  add_weight_cache_flags(app, o.weight_cache);
  add_activations_flag(app, o.activations);
  app.add_option("--chat-template-file,--chat-template", o.chat_template_file, "file with the chat template (default: the model's)");
  app.add_option("--tiers", o.tiers, "precisions to hold, lowest first")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::IsMember(known_tiers));
  app.add_option("--tier", o.tier, "auto: chosen for each request; or one of --tiers for all that do not force one")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "nf4", "i8", "f16"}));
  app.add_option("--max-num-seqs,--parallel,--max-running-requests", o.max_sequences, "answers written at once (-np)")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  app.add_option("--max-queue,--max-queued-requests", o.max_queue, "requests that may wait; more get 429")
      ->capture_default_str()
      ->check(positive);
  app.add_option("-b,--batch-size,--max-num-batched-tokens", o.batch_tokens, "tokens of one forward")
      ->capture_default_str()
      ->check(CLI::Range(1, 8192));
  app.add_option("--api-key", o.api_key, "what clients must send as 'Authorization: Bearer KEY'")->envname("VERNIER_API_KEY");
  app.add_option("--cors-origin,--cors-origins,--allowed-origins", o.cors_origin, "origin whose pages may read answers (default: none)");
  app.add_option("--drain-timeout,--shutdown-timeout", o.drain_seconds, "seconds that answers have to end after SIGTERM")
      ->capture_default_str()
      ->check(CLI::Range(0, 86'400));
  app.add_option("--max-body", o.max_body_mib, "MiB of a request's body; more is 413")->capture_default_str()->check(CLI::Range(1, 1024));
  app.add_option("--log-level", o.log_level, "trace, debug, info, warn, error or off")
      ->capture_default_str()
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}));
  app.add_option("--threads-batch", extra.threads_batch, "")
      ->group("");  // accepted from llama-server's command lines: nothing to choose here
  app.add_flag("--metrics,--cont-batching", extra.ignored, "")->group("");
  app.set_version_flag("--version", std::string("vernier-server ") + VERNIER_VERSION);
}

/// What CLI11 cannot see: ranges, and how options fit together.
std::string contradiction(Options& o, const Extra& extra) {
  try {
    if (!extra.cpu_range.empty()) o.processors = parse_cpu_range(extra.cpu_range);
    processors_for(o.threads, o.processors);
  } catch (const Error& error) {
    return error.what();
  }
  if (!extra.layers_on_gpu.empty())
    return "layers are not divided between devices here (-ngl, -sm, -ts, --main-gpu): a model runs on the one that --device names";
  if (!extra.kv_values.empty() && extra.kv_values != o.kv)
    return concat("--cache-type-v is ", extra.kv_values, " and --cache-type-k is ", o.kv, "; keys and values have one format here");
  for (std::size_t i = 0; i < o.tiers.size(); ++i)
    if (std::find(o.tiers.begin(), o.tiers.begin() + static_cast<std::ptrdiff_t>(i), o.tiers[i]) !=
        o.tiers.begin() + static_cast<std::ptrdiff_t>(i))
      return concat("--tiers names ", o.tiers[i], " twice");
  if (o.tier != "auto" && std::find(o.tiers.begin(), o.tiers.end(), o.tier) == o.tiers.end())
    return concat("--tier is ", o.tier, ", which --tiers does not name");
  return {};
}

}  // namespace

Parsed parse_options(int argc, const char* const* argv) {
  Parsed out;
  Extra extra;
  CLI::App app{"OpenAI-compatible server that chooses the precision of each request", "vernier-server"};
  app.option_defaults()->always_capture_default(false);
  try {
    add_options(app, out.options, extra);
    std::vector<std::string> words = spelled_out(argc, argv);
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    app.parse(words);
    out.text = contradiction(out.options, extra);
    if (!out.text.empty()) out.exit_code = 2;
  } catch (const CLI::CallForHelp&) {
    out.exit_code = 0;
    out.text = app.help();
  } catch (const CLI::CallForVersion& version) {
    out.exit_code = 0;
    out.text = version.what();
  } catch (const CLI::Error& error) {
    out.exit_code = 2;
    out.text = error.what();
    std::replace(out.text.begin(), out.text.end(), '\n', ' ');
  }
  // Lowest first, whatever order they were given in: the router counts on it.
  auto& tiers = out.options.tiers;
  std::sort(tiers.begin(), tiers.end(), [](const std::string& a, const std::string& b) {
    return std::find(known_tiers.begin(), known_tiers.end(), a) < std::find(known_tiers.begin(), known_tiers.end(), b);
  });
  return out;
}

}  // namespace vernier::serve
