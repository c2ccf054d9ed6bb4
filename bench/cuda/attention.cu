// bench.cuda.attention: decode and prefill over a paged cache at the shapes of a model, in every format of keys and values, as lines of
// JSON. Every configuration is checked before it is timed. Layers take turns, so many that none is left in L2 when it is its turn again.
// Rows come in order of importance, and --seconds ends the run early.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>

#include "common/flags.hpp"
#include "cuda/attention_operands.cuh"
#include "cuda/contest.cuh"
#include "cuda/gpu.cuh"
#include "cuda/measure_limits.cuh"
#include "cuda/tally.hpp"
#include "vernier/attention/precompiled.cuh"

namespace vernier::bench {
namespace {

Row row_of(const AttentionCase& c) {
  Row row("attention");
  row.add("model", c.model.name).add("phase", c.decode() ? "decode" : "prefill").add("kv", name(c.kv)).add("batch", c.batch);
  row.add("depth", c.depth).add("tokens", c.tokens).add("heads", c.model.heads).add("kv_heads", c.model.kv_heads);
  row.add("head_dim", c.model.head_dim);
  return row;
}

/// Keys and values are read once for all heads of a group and all tokens; queries are float, results f16.
double bytes_of(const AttentionCase& c) {
  const double rows = static_cast<double>(c.batch) * c.tokens;
  const double token = 2.0 * c.model.kv_heads * (c.model.head_dim * bits(c.kv) / 8 + (has_kv_scale(c.kv) ? 4 : 0));
  return token * c.batch * (c.depth + c.tokens) + rows * c.model.heads * c.model.head_dim * (4 + 2);
}

void measure(const Gpu& gpu, const AttentionCase& c, const DeviceLimits& limits, const cuda::OwnedStream& stream, int rounds) {
  const std::size_t bytes = AttentionOperands::layer_bytes(c), layers = static_cast<std::size_t>(copies_for(bytes, gpu.l2_bytes));
  Row row = row_of(c);
  const cuda::MemoryInfo memory = cuda::runtime::memory_info();
  if (bytes * layers + (std::size_t{4} << 30) > memory.free_bytes) {
    add_entry(row, "vernier", {"vernier", {}, concat("the cache takes ", bytes * layers, " bytes, ", memory.free_bytes, " are free")});
    return row.print();
  }
  AttentionOperands operands(gpu.arch, gpu.info.processors, c, static_cast<int>(layers), stream);
  double worst = 0;  // the last layer shows that all are filled
  for (const int layer : {0, operands.layers() - 1}) {
    operands.forget_result();
    operands.run(layer);
    worst = std::max(worst, operands.worst(layer));
  }
  expect(worst <= 1, "bench.cuda.attention", "wrong result: ", name(c.kv), ", ", c.batch, " sequences of ", c.tokens, " tokens behind ",
         c.depth, ": an element is off by ", worst, " of what rounding explains");
  Contest contest(stream, rounds);
  contest.add("vernier", operands.layers(), [&](int layer) { operands.run(layer); });
  const Contest::Entry entry = contest.run().front();
  row.add("worst_of_bound", worst).add("bytes", bytes_of(c)).add("operations", c.operations());
  add_entry(row, "vernier", entry);
  if (entry.why_not.empty()) {
    const double seconds = entry.seconds.median, peak = c.kv == Precision::bf16 ? limits.bf16 : limits.f16;
    row.add("gbs", bytes_of(c) / seconds * 1e-9).add("of_read", bytes_of(c) / seconds / limits.read);
    row.add("tops", c.operations() / seconds * 1e-12).add("of_peak", c.operations() / seconds / peak);
  }
  row.print();
}

int run(const AttentionSelection& selection, const Gpu& gpu, int rounds, int seconds) {
  Tally tally(seconds);
  const cuda::OwnedStream stream;
  const DeviceLimits limits = measure_limits(gpu);
  for (const AttentionCase& c : attention_plan(selection)) tally.attempt([&] { measure(gpu, c, limits, stream, rounds); });
  return tally.finish();
}

}  // namespace
}  // namespace vernier::bench

int main(int argc, char** argv) try {
  using namespace vernier::bench;
  AttentionSelection selection;
  int rounds = 7, seconds = 0;
  Flags flags("bench.cuda.attention", argc, argv);
  flags.read("--models", selection.models);
  flags.read("--kv", selection.kv);
  flags.read("--rounds", rounds);
  flags.read("--seconds", seconds);
  flags.finish();
  (void)attention_plan(selection);  // refuses what there is not, device or no device
  const std::optional<Gpu> gpu = find_gpu();
  if (!gpu) return 0;
  print_gpu(*gpu, Nvml(*gpu));
  return run(selection, *gpu, rounds, seconds);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
