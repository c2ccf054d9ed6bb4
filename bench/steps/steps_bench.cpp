// Everything of a token that is neither GEMM nor attention: routing a request, appending to the cache, rotation, norms, sampling.
// Google Benchmark: bench.steps --benchmark_filter=append --benchmark_format=json
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/noise.hpp"
#include "vernier/kv/append.hpp"
#include "vernier/ops/rmsnorm.hpp"
#include "vernier/ops/rope.hpp"
#include "vernier/ops/sample.hpp"
#include "vernier/router/ladder.hpp"

namespace {

using namespace vernier;
using bench::noise;

/// A prompt of about `words` words of the kinds that the router looks for.
std::string prompt(int words) {
  constexpr std::string_view some[] = {"Prove", "that",  "the", "sum",  "of",    "`int i = 0;`", "equals", "n(n+1)/2.",
                                       "Then",  "write", "a",   "poem", "about", "Paris",        "and",    "compare",
                                       "it",    "step",  "by",  "step", "with",  "3 * 14",       "apples", "?\n"};
  std::string text;
  for (int i = 0; i < words; ++i) text.append(some[static_cast<std::size_t>(i) % std::size(some)]).append(" ");
  return text;
}

void route(benchmark::State& state) {
  const std::string text = prompt(static_cast<int>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(RequestRouter<production>::route(text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(route)->Arg(8)->Arg(256)->Arg(4096);

/// All layers of a Llama-3.2-1B: 16 layers, 8 kv heads of 64. Bytes are those written to the cache.
template <Precision P>
void append_tokens(benchmark::State& state) {
  const int count = static_cast<int>(state.range(0)), columns = 8 * 64, layers = 16, depth = 4096;
  cpu::ThreadPool pool(2);
  KvCache cache({.precision = P}, {.layers = layers, .kv_heads = 8, .head_dim = 64, .num_pages = depth / 32});
  KvSequence sequence(cache);
  if (!sequence.extend(depth)) return state.SkipWithError("the cache is too small");
  ops::RopeTable rope(ops::RopeConfig{.rotary_dim = 64});
  rope.reserve(depth);
  const std::vector<float> rows = noise(static_cast<std::size_t>(count) * columns);
  const MatrixView<const float> x(rows.data(), count, columns);
  const KvChunk chunk = sequence.last(count);
  for (auto _ : state)
    for (int layer = 0; layer < layers; ++layer) append(pool, cache, layer, {&chunk, 1}, x, x, rotary_view(rope));
  const double token_bytes = static_cast<double>(cache.layout().page_bytes()) / cache.config().page_tokens;
  state.SetBytesProcessed(static_cast<std::int64_t>(static_cast<double>(state.iterations()) * count * token_bytes));
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(append_tokens<Precision::f16>)->Arg(1)->Arg(512)->UseRealTime();
BENCHMARK(append_tokens<Precision::i8>)->Arg(1)->Arg(512)->UseRealTime();
BENCHMARK(append_tokens<Precision::e4m3>)->Arg(1)->Arg(512)->UseRealTime();

void rms_norm(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), columns = 2048;
  cpu::ThreadPool pool(2);
  const std::vector<float> x = noise(static_cast<std::size_t>(rows) * columns), weight(columns, 1.0f);
  std::vector<float> y(x.size());
  for (auto _ : state) ops::rms_norm({x.data(), rows, columns}, weight.data(), 1e-5f, {y.data(), rows, columns}, &pool);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(2 * x.size() * sizeof(float)));
}
BENCHMARK(rms_norm)->Arg(1)->Arg(512)->UseRealTime();

/// One token of a vocabulary of 128,256.
void sample(benchmark::State& state) {
  const std::vector<float> logits = noise(128256);
  const bool greedy = state.range(0) == 0;
  ops::SampleOptions options;
  options.temperature = greedy ? 0.0f : 0.8f;
  if (!greedy) options.top_p = 0.95f;
  ops::Sampler sampler(options);
  std::vector<float> scratch(logits.size());
  for (auto _ : state) {
    scratch = logits;
    benchmark::DoNotOptimize(sampler.sample(scratch));
  }
  state.SetLabel(greedy ? "greedy" : "temperature 0.8, top-p 0.95");
}
BENCHMARK(sample)->Arg(0)->Arg(1);

}  // namespace

BENCHMARK_MAIN();
