// vernier-evaluate: judges a precision. Runs a model over text or token ids and prints perplexity, and KL divergence and top-1 agreement
// against another run's logits. Scores are in score.hpp, the model in common/model.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "common/activations_flag.hpp"
#include "common/command.hpp"
#include "common/device/device.hpp"
#include "common/io/checkpoint.hpp"
#include "common/model/formats.hpp"
#include "common/progress.hpp"
#include "common/weight_cache_flags.hpp"
#include "evaluate/npy.hpp"
#include "evaluate/score.hpp"
#include "evaluate/sequences.hpp"

namespace vernier::evaluate {
namespace {

struct Options {
  std::string model, weights = "f16", plan, kv = "f16", activations = "auto", device = "auto", text, tokens, logits, baseline;
  int context = 512, batch = 128, threads = 0, first = 0;
  model::WeightCache weight_cache;
};

Options parse(int argc, char** argv, CLI::App& app) {
  Options o;
  const auto kv_names = CLI::IsMember({"f16", "bf16", "i8", "e4m3", "e5m2"});
  app.add_option("-m,--model", o.model, "GGUF file or Hugging Face folder")->required();
  auto* weights = app.add_option("--weights", o.weights, "format of the linear layers")->capture_default_str();
  weights->check(CLI::IsMember({"f16", "bf16", "i8", "e4m3", "e5m2", "nf4"}));
  app.add_option("--plan", o.plan, "layer plan: a file that gives each matrix its format, or mixed")->excludes(weights);
  app.add_option("--kv,--kv-cache-dtype", o.kv, "format of cached keys and values")->capture_default_str()->check(kv_names);
  add_activations_flag(app, o.activations);
  auto* text = app.add_option("--text", o.text, "judge on this text, cut into windows of --ctx-size tokens");
  app.add_option("--tokens", o.tokens, "judge on these ids: one independent sequence a line")->excludes(text);
  app.add_option("--logits", o.logits, "write float32 logits (positions, vocab) to this .npy file");
  app.add_option("--baseline", o.baseline, "compare with the logits in this .npy file, written by --logits");
  app.add_option("-c,--ctx-size", o.context, "longest sequence")->capture_default_str()->check(CLI::Range(2, 1 << 20));
  app.add_option("--first", o.first, "score each sequence from this position on (default: 0; llama-perplexity: half of --ctx-size)")
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("-b,--batch-size", o.batch, "tokens of one forward")->capture_default_str()->check(CLI::Range(1, 4096));
  app.add_option("-t,--threads", o.threads, "worker threads (0: one per processor)")->capture_default_str()->check(CLI::Range(0, 1024));
  app.add_option("--device", o.device, model::device_help)->capture_default_str();
  add_weight_cache_flags(app, o.weight_cache);
  app.parse(argc, argv);
  if (o.text.empty() == o.tokens.empty()) throw CLI::RequiredError("one of --text and --tokens");
  if (o.threads == 0) o.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return o;
}

/// Runs sequences through a model and hands each position's logits to `use(logits, next token or -1)`.
class Runner {
 public:
  Runner(const Options& o, std::unique_ptr<model::PlacedModel> llama)
      : batch_(o.batch),
        llama_(std::move(llama)),
        cache_(llama_->make_cache({.precision = *parse_precision(o.kv)}, o.context / KvConfig{}.page_tokens + 1)) {}

  /// use(position, logits) for each position of a sequence for which wanted(position) holds, in order.
  template <class Wanted, class Use>
  void run(const std::vector<int>& ids, Wanted&& wanted, Use&& use) {
    KvSequence sequence(*cache_);
    for (std::size_t at = 0; at < ids.size();) {
      const int count = static_cast<int>(std::min(ids.size() - at, static_cast<std::size_t>(batch_)));
      std::vector<model::Output> outputs;
      for (int i = 0; i < count; ++i)
        if (wanted(at + static_cast<std::size_t>(i))) outputs.emplace_back().row = i;
      expect(sequence.extend(count), "vernier-evaluate", "the KV cache is too small for ", ids.size(), " tokens");
      const KvChunk chunk = sequence.last(count);
      llama_->forward(*cache_, {&chunk, 1}, std::span(ids).subspan(at, static_cast<std::size_t>(count)), outputs);
      for (const model::Output& output : outputs) use(at + static_cast<std::size_t>(output.row), std::span<const float>(output.logits));
      at += static_cast<std::size_t>(count);
    }
  }

 private:
  int batch_;
  std::unique_ptr<model::PlacedModel> llama_;
  std::shared_ptr<KvPages> cache_;
};

void print(const Score& score, bool compared) {
  const Estimate perplexity = score.perplexity();
  std::printf("perplexity      %.4f +- %.4f over %zu predictions\n", perplexity.value, perplexity.error, score.predicted());
  if (!compared) return;
  const Estimate kl = score.kl(), top1 = score.top1();
  std::printf("KL to baseline  %.3e +- %.1e mean, %.2e median, %.2e 95 %%, %.2e 99 %% over %zu positions\n", kl.value, kl.error,
              score.kl_quantile(0.5), score.kl_quantile(0.95), score.kl_quantile(0.99), score.compared());
  std::printf("same top token  %.3f %% +- %.3f\n", 100 * top1.value, 100 * top1.error);
}

void evaluate(const Options& o) {
  const io::Checkpoint checkpoint = io::open_checkpoint(o.model);
  const model::ModelConfig& config = checkpoint.config();
  const int context = std::min(o.context, config.context);
  const Sequences sequences = o.tokens.empty() ? read_text(o.text, checkpoint, context) : read_tokens(o.tokens, config.vocab, context);
  std::size_t positions = 0, done = 0;
  for (const auto& ids : sequences) positions += ids.size();

  std::optional<NpyReader> baseline;
  if (!o.baseline.empty()) {
    baseline.emplace(o.baseline);
    expect(baseline->rows() == static_cast<std::int64_t>(positions) && baseline->cols() == config.vocab, o.baseline, "has ",
           baseline->rows(), " x ", baseline->cols(), " logits, expected positions x vocabulary = ", positions, " x ", config.vocab,
           "; make it with the same text");
  }
  std::optional<NpyWriter> writer;
  if (!o.logits.empty()) writer.emplace(o.logits, static_cast<std::int64_t>(positions), config.vocab);

  const model::FormatOf formats =
      o.plan.empty() ? model::uniform_formats(*parse_precision(o.weights)) : model::plan_formats(o.plan, config);
  Progress progress;
  cpu::ThreadPool pool(o.threads);
  const auto report = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  const std::unique_ptr<model::Device> device = model::open_device(o.device, config, pool, report);
  model::WeightCache cache = o.weight_cache;
  cache.report = report;
  model::WeightLoader loader(checkpoint, pool, std::move(cache));
  auto weights = std::make_shared<const model::Weights>(
      loader.open(formats, [&](std::size_t read, std::size_t total) { progress.show("loading", read, total); }));
  Runner runner(o, device->place(std::move(weights), model::parse_activations(o.activations)));
  Score score;
  for (const auto& ids : sequences) {
    const auto next = [&](std::size_t position) { return position + 1 < ids.size() ? ids[position + 1] : -1; };
    const auto scored = [&](std::size_t position) {
      return position >= static_cast<std::size_t>(o.first) && (baseline || next(position) >= 0);
    };
    const auto wanted = [&](std::size_t position) { return writer || scored(position); };
    runner.run(ids, wanted, [&](std::size_t position, std::span<const float> logits) {
      if (writer) writer->write({logits.data(), 1, config.vocab});
      if (scored(position)) {
        if (baseline)
          score.add(logits, baseline->row(static_cast<std::int64_t>(done + position)), next(position));
        else
          score.add(logits, next(position));
      }
      progress.show("evaluating", done + position, positions);
    });
    progress.show("evaluating", done += ids.size(), positions);
  }
  if (writer) writer->close();
  expect(score.predicted() > 0, "vernier-evaluate", "no sequence has a position to score from --first ", o.first, " on");
  print(score, baseline.has_value());
  loader.keep();
}

}  // namespace
}  // namespace vernier::evaluate

int main(int argc, char** argv) {
  CLI::App app("Judges a model at a precision: perplexity, and KL divergence and top-1 agreement against a baseline.");
  return vernier::run_command(app, "vernier-evaluate", [&] { vernier::evaluate::evaluate(vernier::evaluate::parse(argc, argv, app)); });
}
