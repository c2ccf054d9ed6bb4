// bench.attention: attention over the paged cache and writing to it. Decode: one token in every layer, cold from memory, beside the time in
// which plain reads bring the same bytes. Prefill: a chunk at that depth in one layer, beside the peak of the instruction that multiplies.
// Formats take turns, the limits are measured between them, and figures are medians: a virtual machine changes by the minute.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "common/flags.hpp"
#include "common/limits.hpp"
#include "common/noise.hpp"
#include "common/spread.hpp"
#include "vernier/attention/attention.hpp"
#include "vernier/attention/precompiled.hpp"

namespace {

using namespace vernier;
using bench::median;
using bench::noise;

struct Shape {
  const char* name;
  int layers, heads, kv_heads, head_dim;
};
constexpr Shape shapes[] = {{"llama-1b", 16, 32, 8, 64}, {"smollm2", 30, 9, 3, 64}, {"llama-8b", 8, 32, 8, 128}};  // 8 of 32 layers

struct Settings {
  std::vector<std::string> shape{"llama-1b", "smollm2", "llama-8b"}, kv{"f16", "bf16", "i8", "e4m3", "e5m2"};
  int depth = 4096, chunk = 512, threads = 2, reps = 9;
  cpu::Isa isa = cpu::selected_isa();
};

Settings parse(int argc, char** argv) {
  Settings s;
  bench::Flags flags("bench.attention", argc, argv);
  flags.read("--shape", s.shape);
  flags.read("--kv", s.kv);
  flags.read("--depth", s.depth);
  flags.read("--chunk", s.chunk);
  flags.read("--threads", s.threads);
  flags.read("--isa", s.isa);
  flags.read("--reps", s.reps);
  flags.finish();
  return s;
}

/// One format: a cache full of keys and values, and what was measured.
struct Subject {
  cpu::ThreadPool& pool;
  Shape shape;
  Precision precision;
  KvCache cache;
  KvSequence sequence;
  AttentionWorkspace workspace;
  std::vector<double> decode, prefill, append_one, append_chunk;

  Subject(cpu::ThreadPool& pool_, const Shape& s, Precision p, const Settings& settings)
      : pool(pool_),
        shape(s),
        precision(p),
        cache(
            {.precision = p},
            {.layers = s.layers, .kv_heads = s.kv_heads, .head_dim = s.head_dim, .num_pages = (settings.depth + settings.chunk) / 32 + 1}),
        sequence(cache),
        workspace(settings.isa) {
    if (!sequence.extend(settings.depth + settings.chunk)) std::abort();
    for (int layer = 0; layer < s.layers; ++layer) append_to(layer, layer, {sequence.pages(), 0, settings.depth + settings.chunk});
  }

  /// Seconds to write a chunk to the layers from `first` to `last`.
  double append_to(int first, int last, const KvChunk& chunk) {
    const int cols = shape.kv_heads * shape.head_dim;
    const auto k = noise(static_cast<std::size_t>(chunk.count) * static_cast<std::size_t>(cols));
    const double start = bench::now();
    for (int layer = first; layer <= last; ++layer)
      append(pool, cache, layer, {&chunk, 1}, {k.data(), chunk.count, cols}, {k.data(), chunk.count, cols}, {});
    return bench::now() - start;
  }

  /// Seconds to attend to a chunk in the first `layers` layers.
  double attend(const KvChunk& chunk, int layers) {
    const int cols = shape.heads * shape.head_dim;
    const auto q = noise(static_cast<std::size_t>(chunk.count) * static_cast<std::size_t>(cols));
    std::vector<float> out(q.size());
    const double start = bench::now();
    for (int layer = 0; layer < layers; ++layer)
      attention(pool, cache, layer, {&chunk, 1}, {q.data(), chunk.count, cols}, {out.data(), chunk.count, cols}, AttentionOptions{},
                workspace);
    return bench::now() - start;
  }

  /// Bytes of keys, values and scales of `depth` tokens in all layers.
  double bytes(int depth) const { return static_cast<double>(cache.layout().page_bytes()) * depth / cache.config().page_tokens; }

  /// Operations per second of the instruction that multiplies this format.
  double peak(const bench::Limits& limits) const {
    if (precision == Precision::i8) return limits.int8 / 2;  // products of 16 bits
    return bits(precision) == 8 && workspace.isa() == cpu::Isa::avx512 && limits.bf16 > 0 ? limits.bf16 : limits.fma;
  }
};

void print(const Subject& s, const Settings& settings, double read, const bench::Limits& limits) {
  const double bytes = s.bytes(settings.depth), decode = median(s.decode), keys = settings.chunk * (settings.depth + 0.5 * settings.chunk);
  const double flops = 4.0 * s.shape.heads * s.shape.head_dim * keys / median(s.prefill), peak = s.peak(limits);
  std::printf("%-8s %-4s | decode %6.1f MB %7.3f ms %5.1f GB/s, %4.2f x the read of %4.1f GB/s | prefill %6.1f GFLOP/s = %3.0f%% of %3.0f",
              s.shape.name, name(s.precision).data(), bytes * 1e-6, decode * 1e3, bytes / decode * 1e-9, decode * read / bytes, read * 1e-9,
              flops * 1e-9, 100 * flops / peak, peak * 1e-9);
  const double values = 2.0 * s.shape.kv_heads * s.shape.head_dim;
  std::printf(" | append %5.2f ns a value for one token, %5.2f for %d\n", median(s.append_one) * 1e9 / values,
              median(s.append_chunk) * 1e9 / values / settings.chunk, settings.chunk);
}

void run(cpu::ThreadPool& pool, const bench::LimitsProbe& probe, const Settings& settings, const Shape& shape) {
  std::vector<std::unique_ptr<Subject>> subjects;
  for (const std::string& format : settings.kv) {
    const auto p = parse_precision(format);
    expect(p.has_value() && is_kv_precision(*p), "bench.attention", "--kv has ", format, ", expected f16, bf16, i8, e4m3 or e5m2");
    subjects.push_back(std::make_unique<Subject>(pool, shape, *p, settings));
  }
  std::vector<double> read;
  for (int rep = 0; rep < settings.reps; ++rep) {
    read.push_back(probe.read(1));
    for (auto& s : subjects) s->decode.push_back(s->attend({s->sequence.pages(), settings.depth - 1, 1}, shape.layers));
  }
  for (int rep = 0; rep < std::max(3, settings.reps / 3); ++rep)
    for (auto& s : subjects) {
      s->prefill.push_back(s->attend(s->sequence.last(settings.chunk), 1));
      s->append_chunk.push_back(s->append_to(0, 0, s->sequence.last(settings.chunk)));
      s->append_one.push_back(s->append_to(0, shape.layers - 1, s->sequence.last(1)) / shape.layers);
    }
  const bench::Limits limits = probe.measure();
  for (auto& s : subjects) print(*s, settings, median(read), limits);
}

}  // namespace

int main(int argc, char** argv) try {
  const Settings settings = parse(argc, argv);
  cpu::ThreadPool pool(settings.threads);
  if (settings.threads == 1) bench::use_cpu_time();
  const bench::LimitsProbe probe(pool, settings.isa);
  std::printf("depth %d, chunk %d, %d threads, %s\n", settings.depth, settings.chunk, settings.threads, name(settings.isa).data());
  for (const Shape& shape : shapes)
    if (std::count(settings.shape.begin(), settings.shape.end(), shape.name) != 0) run(pool, probe, settings, shape);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
