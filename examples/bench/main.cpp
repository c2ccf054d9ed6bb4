// vernier-bench: how fast a model runs here, and how near that is to what the machine allows. Flags, tables and field names are those of
// llama-bench. Costs are counted in cost.hpp, the limits measured in bench/common/limits.hpp.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "bench/options.hpp"
#include "bench/report.hpp"
#include "bench/runner.hpp"
#include "common/command.hpp"
#include "common/cpu_range.hpp"
#include "common/io/checkpoint.hpp"
#include "common/model/formats.hpp"

namespace vernier::bench {
namespace {

struct Loaded {
  std::shared_ptr<const model::Weights> weights;
  Subject subject;
};

Loaded load(const Options& o, const io::Checkpoint& checkpoint, const std::string& weights, bool plan) {
  const auto start = std::chrono::steady_clock::now();
  const model::FormatOf formats =
      plan ? model::plan_formats(weights, checkpoint.config()) : model::uniform_formats(*parse_precision(weights));
  cpu::ThreadPool pool(default_threads(o.processors), o.processors);
  model::WeightLoader loader(checkpoint, pool, o.weight_cache);
  auto loaded = std::make_shared<const model::Weights>(loader.load(formats));
  Subject subject{.file = checkpoint.path(), .type = {}, .weights = plan ? std::filesystem::path(weights).filename().string() : weights};
  subject.load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  loader.keep();  // before anything is measured
  for (const io::StoredTensor& tensor : checkpoint.tensors())
    subject.parameters += static_cast<std::size_t>(tensor.rows) * static_cast<std::size_t>(tensor.cols);
  subject.token_bytes = loaded->bytes_per_token();
  const PackedMatrix* embedding = loaded->embedding.matrix().get();
  subject.bytes = subject.token_bytes + (embedding == nullptr || embedding == loaded->head.weight.get() ? 0 : embedding->bytes());
  subject.type = concat(checkpoint.config().architecture, ' ', std::filesystem::path(checkpoint.path()).filename().string());
  return {std::move(loaded), std::move(subject)};
}

void measure(const Options& o, Loaded& loaded, Report& report) {
  for (int threads : o.threads) {
    cpu::ThreadPool pool(threads, processors_for(threads, o.processors));
    const std::unique_ptr<model::Device> device = model::open_device(
        o.device, loaded.weights->config, pool, [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); });
    const bool on_cpu = !device->memory().has_value();
    std::optional<LimitsProbe> probe;
    if (on_cpu) probe.emplace(pool, cpu::selected_isa());
    const auto limits = [&] {
      if (on_cpu) return probe->measure();
      const model::DeviceLimits of_device = device->limits().value();
      return Limits{.read = of_device.read, .int8 = of_device.int8, .bf16 = of_device.bf16, .f16 = of_device.f16};
    };
    if (!on_cpu) (void)limits();  // takes its memory before the model does
    Runner runner(loaded.weights, *device, limits, o);
    loaded.subject.threads = on_cpu ? threads : 0;
    loaded.subject.device = device->name();
    for (Precision kv : o.kv)
      for (int depth : o.depths)
        for (int sequences : o.sequences)
          for (const Phase& phase : o.phases) {
            if (phase.n_gen == 0 && sequences != o.sequences.front()) continue;  // prompts are run one by one
            report.add(loaded.subject,
                       runner.run({.phase = phase, .depth = depth, .sequences = phase.n_gen == 0 ? 1 : sequences, .kv = kv}));
          }
  }
}

void run(const Options& o) {
  if (!o.processors.empty()) cpu::pin_this_thread(o.processors.front());  // worker 0 of every pool
  Report report(o);
  for (const std::string& path : o.models) {
    const io::Checkpoint checkpoint = io::open_checkpoint(path);
    for (std::size_t i = 0; i < o.weights.size(); ++i) {
      Loaded loaded = load(o, checkpoint, o.weights[i], i >= o.weights.size() - o.plans);
      measure(o, loaded, report);
    }
  }
  report.finish();
}

}  // namespace
}  // namespace vernier::bench

int main(int argc, char** argv) {
  CLI::App app("Measures a model's speed beside the machine's limits. Lists are comma separated; 1-16*2 is 1,2,4,8,16 and 1-9+4 is 1,5,9.");
  return vernier::run_command(app, "vernier-bench", [&] { vernier::bench::run(vernier::bench::parse(argc, argv, app)); });
}
