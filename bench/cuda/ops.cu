// bench.cuda.ops: what a layer does between its products, and sampling, as lines of JSON: bytes moved beside the memory's bandwidth. Each
// is checked before it is timed. Operands that fit in L2 stay there, as they do in a model.
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "common/flags.hpp"
#include "cuda/contest.cuh"
#include "cuda/gpu.cuh"
#include "cuda/measure_limits.cuh"
#include "cuda/ops_steps.cuh"
#include "cuda/tally.hpp"

namespace vernier::bench {
namespace {

struct Settings {
  std::string model = "llama-8b";
  std::vector<int> tokens{64, 1, 2048, 16384}, sampled{1, 64};
  int rounds = 7, seconds = 0;
};

class Bench {
 public:
  Bench(const Gpu& gpu, const Settings& s) : limits_(measure_limits(gpu)), settings_(&s), tally_(s.seconds) {}

  const cuda::OwnedStream& stream() const { return stream_; }
  int finish() const { return tally_.finish(); }

  void measure(const std::vector<Step>& steps, int tokens) {
    for (const Step& step : steps) tally_.attempt([&] { measure(step, tokens); });
  }

 private:
  void measure(const Step& step, int tokens) {
    step.launch();
    const double worst = step.worst();
    expect(worst <= 1, "bench.cuda.ops", "wrong result: ", step.name, " of ", tokens, " tokens is off by ", worst,
           " of what rounding explains");
    Contest contest(stream_, settings_->rounds);
    contest.add("vernier", 1, [&](int) { step.launch(); });
    const Contest::Entry entry = contest.run().front();
    Row row("ops");
    row.add("step", step.name).add("tokens", tokens).add("bytes", step.bytes).add("worst_of_bound", worst);
    add_entry(row, "vernier", entry);
    if (entry.why_not.empty()) {
      const double rate = step.bytes / entry.seconds.median;
      row.add("gbs", rate * 1e-9).add("of_read", rate / limits_.read);
    }
    row.print();
  }

  DeviceLimits limits_;
  const Settings* settings_;
  Tally tally_;
  cuda::OwnedStream stream_;
};

int run(const Settings& s, const Gpu& gpu) {
  const ModelShape& model = find_model(s.model);
  Bench bench(gpu, s);
  for (const int tokens : s.tokens)
    visit_arch(gpu.arch, [&]<Arch A>() {
      OpsSteps<A> steps(model, tokens, bench.stream());
      bench.measure(steps.steps(), tokens);
    });
  for (const int rows : s.sampled)
    visit_arch(gpu.arch, [&]<Arch A>() {
      SampleSteps<A> steps(rows, model.vocab, bench.stream());
      bench.measure(steps.steps(), rows);
    });
  return bench.finish();
}

}  // namespace
}  // namespace vernier::bench

int main(int argc, char** argv) try {
  using namespace vernier::bench;
  Settings s;
  Flags flags("bench.cuda.ops", argc, argv);
  flags.read("--model", s.model);
  flags.read("--tokens", s.tokens);
  flags.read("--sampled", s.sampled);
  flags.read("--rounds", s.rounds);
  flags.read("--seconds", s.seconds);
  flags.finish();
  (void)find_model(s.model);  // refuses what there is not, device or no device
  const std::optional<Gpu> gpu = find_gpu();
  if (!gpu) return 0;
  print_gpu(*gpu, Nvml(*gpu));
  return run(s, *gpu);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
