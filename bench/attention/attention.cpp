// Attention over the paged cache: decode against the time that DRAM needs for the same bytes, and prefill in multiply-adds per second.
// The memory probe reads the cache itself with plain loads, in turn with the runs, since a virtual machine's bandwidth changes by the
// minute.
//   bench.attention [threads=2] [depth=4096] [repetitions=15]
#include "vernier/attention/attention.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "vernier/attention/precompiled.hpp"

namespace {

using namespace vernier;

struct Shape {
  const char* name;
  int layers, heads, kv_heads, head_dim;
};

double seconds_of(auto&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Reads all of a cache once, one sequential stream per thread.
void read_all(cpu::ThreadPool& pool, const KvCache& cache, std::uint64_t& sink) {
  const std::uint8_t* const bytes = cache.run(0, 0, 0).keys;
  std::atomic<std::uint64_t> total{0};
  pool.for_ranges(
      static_cast<std::int64_t>(cache.bytes() / 64),
      [&](std::int64_t begin, std::int64_t end) {
        std::uint64_t sum[4] = {};
        for (std::int64_t line = begin; line < end; ++line) {  // one load per line is enough to bring it
          std::uint64_t word;
          std::memcpy(&word, bytes + line * 64, 8);
          sum[line % 4] += word;
        }
        total += sum[0] + sum[1] + sum[2] + sum[3];
      },
      64);
  sink += total;
}

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

std::vector<float> noise(std::size_t count) {
  std::vector<float> x(count);
  std::uint32_t state = 12345;
  for (float& value : x) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-31f;
  }
  return x;
}

struct Bench {
  cpu::ThreadPool& pool;
  Shape shape;
  KvCache cache;
  KvSequence sequence;
  AttentionWorkspace workspace;
  std::vector<float> q, out;

  Bench(cpu::ThreadPool& pool_, const Shape& s, Precision p, int depth)
      : pool(pool_),
        shape(s),
        cache({.precision = p}, {.layers = s.layers, .kv_heads = s.kv_heads, .head_dim = s.head_dim, .num_pages = (depth + 31) / 32}),
        sequence(cache) {
    if (!sequence.extend(depth)) std::abort();
    const int cols = s.kv_heads * s.head_dim;
    const auto k = noise(static_cast<std::size_t>(depth) * static_cast<std::size_t>(cols));
    for (int layer = 0; layer < s.layers; ++layer) {
      const KvChunk all = sequence.last(depth);
      append(pool, cache, layer, {&all, 1}, {k.data(), depth, cols}, {k.data(), depth, cols}, {});
    }
  }

  double attend(int tokens, int layers) {
    const int cols = shape.heads * shape.head_dim;
    const std::size_t size = static_cast<std::size_t>(tokens) * static_cast<std::size_t>(cols);
    if (q.size() != size) q = noise(size), out.resize(size);
    return seconds_of([&] {
      for (int layer = 0; layer < layers; ++layer) {
        const KvChunk chunk = sequence.last(tokens);
        attention(pool, cache, layer, {&chunk, 1}, {q.data(), tokens, cols}, {out.data(), tokens, cols}, AttentionOptions{}, workspace);
      }
    });
  }
};

void run(cpu::ThreadPool& pool, const Shape& shape, Precision p, int depth, int repetitions) {
  Bench bench(pool, shape, p, depth);
  std::uint64_t sink = 0;
  std::vector<double> decode, probe, prefill;
  const int chunk = std::min(512, depth);
  for (int i = 0; i < repetitions; ++i) {
    probe.push_back(seconds_of([&] { read_all(pool, bench.cache, sink); }));
    decode.push_back(bench.attend(1, shape.layers));
  }
  for (int i = 0; i < 3; ++i) prefill.push_back(bench.attend(chunk, 1));
  const double flops = 4.0 * shape.heads * shape.head_dim * (chunk * (depth - chunk) + 0.5 * chunk * chunk);
  const double bytes = static_cast<double>(bench.cache.bytes());
  std::printf(
      "%-10s %-5s depth %5d | decode %7.3f ms (min %7.3f), DRAM %6.3f ms (%4.1f GB/s), ratio %4.2f | prefill of %d: %6.1f GFLOP/s%s\n",
      shape.name, name(p).data(), depth, median(decode) * 1e3, *std::min_element(decode.begin(), decode.end()) * 1e3, median(probe) * 1e3,
      bytes / median(probe) * 1e-9, median(decode) / median(probe), chunk, flops / median(prefill) * 1e-9, sink == 1 ? " " : "");
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, int otherwise) { return argc > i ? std::atoi(argv[i]) : otherwise; };
  cpu::ThreadPool pool(argument(1, 2));
  for (const Shape& shape : {Shape{"llama-1b", 16, 32, 8, 64}, Shape{"smollm2", 30, 9, 3, 64}, Shape{"llama-8b/4", 8, 32, 8, 128}})
    for (Precision p : {Precision::f16, Precision::bf16, Precision::i8, Precision::e4m3, Precision::e5m2})
      run(pool, shape, p, argument(2, 4096), argument(3, 15));
}
