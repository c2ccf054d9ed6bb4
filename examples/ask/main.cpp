// vernier-ask: answers one prompt and says at which precision, and why. What quickstart runs. The shortest way through the whole library:
// route, load one tier, render, tokenize, prefill, decode. For many requests at once see examples/server.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "common/command.hpp"
#include "common/device/device.hpp"
#include "common/io/checkpoint.hpp"
#include "common/io/text_files.hpp"
#include "common/model/formats.hpp"
#include "common/progress.hpp"
#include "common/text/chat_template.hpp"
#include "common/text/tokenizer.hpp"
#include "common/weight_cache_flags.hpp"
#include "vernier/ops/sample.hpp"
#include "vernier/router/ladder.hpp"

namespace vernier::ask {
namespace {

using Clock = std::chrono::steady_clock;
using Router = RequestRouter<production>;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Options {
  std::string model, prompt, tier = "auto", device = "auto";
  int max_tokens = 256, threads = 0;
  model::WeightCache weight_cache{.where = "auto"};
  ops::SampleOptions sampling{.temperature = 0};
};

Options parse(int argc, char** argv, CLI::App& app) {
  Options o;
  app.add_option("prompt", o.prompt, "what to ask")->required();
  app.add_option("-m,--model", o.model, "GGUF file or Hugging Face folder")->required();
  app.add_option("--tier", o.tier, "precision; auto: the router chooses")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "nf4", "i8", "f16"}));
  app.add_option("-n,--max-tokens,--predict", o.max_tokens, "longest answer")->capture_default_str()->check(CLI::Range(1, 1 << 20));
  app.add_option("--temp,--temperature", o.sampling.temperature, "0: always the most likely token")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 10.0));
  app.add_option("-s,--seed", o.sampling.seed, "of the draw, with a temperature")->capture_default_str();
  app.add_option("-t,--threads", o.threads, "0: one per processor")->capture_default_str()->check(CLI::Range(0, 1024));
  app.add_option("--device", o.device, model::device_help)->capture_default_str();
  add_weight_cache_flags(app, o.weight_cache);
  app.parse(argc, argv);
  if (o.threads == 0) o.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return o;
}

/// The ids of the prompt as the model's chat template puts it; bare where the model has no template.
std::vector<int> encode(const io::Checkpoint& checkpoint, const text::Tokenizer& tokenizer, const std::string& prompt) {
  const io::TextFiles files = io::find_text_files(checkpoint);
  if (files.chat_template.empty()) {
    std::fprintf(stderr, "the model has no chat template; it continues the bare text\n");
    return tokenizer.encode(prompt, {.add_bos = tokenizer.add_bos_by_default()});
  }
  const text::ChatTemplate chat(files.chat_template, {{"bos_token", files.bos_token}, {"eos_token", files.eos_token}});
  const boost::json::array messages{{{"role", "user"}, {"content", prompt}}};
  return tokenizer.encode(chat.render(messages, {.now = text::clock_seconds()}));
}

std::shared_ptr<const model::Weights> load(model::WeightLoader& loader, Precision precision) {
  Progress progress;
  const std::string what = concat("loading ", name(precision), " weights");
  auto weights =
      loader.load(model::uniform_formats(precision), [&](std::size_t done, std::size_t total) { progress.show(what, done, total); });
  return std::make_shared<const model::Weights>(std::move(weights));
}

struct Speed {
  int prompt = 0, generated = 0;
  double prefill_seconds = 0, decode_seconds = 0;
};

/// Generates until an end token, max_tokens or the end of the context, printing as it goes.
Speed answer(const Options& o, model::PlacedModel& llama, const text::Tokenizer& tokenizer, const std::vector<int>& prompt, Precision kv) {
  constexpr int chunk = 256;  // tokens of one forward
  const model::ModelConfig& config = llama.config();
  expect(static_cast<int>(prompt.size()) < config.context, "vernier-ask", "the prompt has ", prompt.size(),
         " tokens, the model's context is ", config.context);
  const int room = std::min(o.max_tokens, config.context - static_cast<int>(prompt.size()));
  const KvConfig kv_config{.precision = kv};
  const auto cache = llama.make_cache(kv_config, (static_cast<int>(prompt.size()) + room) / kv_config.page_tokens + 1);
  KvSequence sequence(*cache);
  ops::Sampler sampler(o.sampling);
  sampler.accept_prompt(prompt);
  model::Output next{.sampler = &sampler};
  const auto forward = [&](std::span<const int> ids, bool wanted) {
    next.row = static_cast<int>(ids.size()) - 1;
    expect(sequence.extend(next.row + 1), "vernier-ask", "the KV cache is full at ", sequence.tokens(), " tokens");
    const KvChunk piece = sequence.last(next.row + 1);
    llama.forward(*cache, {&piece, 1}, ids, {&next, wanted ? 1u : 0u});
    expect(next.error.empty(), "vernier-ask", next.error);
  };

  Speed speed{.prompt = static_cast<int>(prompt.size())};
  auto start = Clock::now();
  for (std::span<const int> left(prompt); !left.empty(); left = left.subspan(std::min<std::size_t>(chunk, left.size())))
    forward(left.first(std::min<std::size_t>(chunk, left.size())), left.size() <= chunk);
  speed.prefill_seconds = seconds_since(start);

  text::Decoder decoder(tokenizer, {.skip_special = true});
  start = Clock::now();
  for (int i = 0; i < room; ++i) {
    const int id = next.token;
    if (tokenizer.is_end(id) || std::find(config.eos.begin(), config.eos.end(), id) != config.eos.end()) break;
    sampler.accept(id);
    std::fputs(decoder.push(id).c_str(), stdout);
    std::fflush(stdout);
    ++speed.generated;
    if (i + 1 < room) forward({&id, 1}, true);
  }
  speed.decode_seconds = seconds_since(start);
  std::puts(decoder.flush().c_str());
  return speed;
}

void run(const Options& o) {
  const Decision decision = Router::route(o.prompt, {.forced = o.tier == "auto" ? std::string_view() : o.tier});
  const io::Checkpoint checkpoint = io::open_checkpoint(o.model);
  const text::Tokenizer tokenizer =
      checkpoint.gguf() != nullptr ? text::Tokenizer::from_gguf(*checkpoint.gguf()) : text::Tokenizer::from_folder(checkpoint.path());
  const std::vector<int> prompt = encode(checkpoint, tokenizer, o.prompt);
  cpu::ThreadPool pool(o.threads);
  model::WeightCache weight_cache = o.weight_cache;
  weight_cache.report = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  model::WeightLoader loader(checkpoint, pool, std::move(weight_cache));
  const std::unique_ptr<model::Device> device = model::open_device(o.device, checkpoint.config(), pool, [](const std::string&) {});
  const auto llama = device->place(load(loader, decision.tier.weights), model::default_activations);
  const Speed speed = answer(o, *llama, tokenizer, prompt, decision.tier.kv);
  std::printf("\ntier %s\nKV %s, %s\n", explain(decision).c_str(), name(decision.tier.kv).data(), device->name().c_str());
  std::printf("prompt %d tokens, %.0f tokens/s; answer %d tokens, %.1f tokens/s\n", speed.prompt, speed.prompt / speed.prefill_seconds,
              speed.generated, speed.generated / speed.decode_seconds);
  std::fflush(stdout);
  loader.keep();  // once the answer is there
}

}  // namespace
}  // namespace vernier::ask

int main(int argc, char** argv) {
  CLI::App app("Answers one prompt at the precision that the router chose.");
  return vernier::run_command(app, "vernier-ask", [&] { vernier::ask::run(vernier::ask::parse(argc, argv, app)); });
}
