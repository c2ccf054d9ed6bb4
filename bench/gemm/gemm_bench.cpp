// bench.gemm: times cpu::gemm() on a chain of matrices that together take --mib MiB, so that each is read cold from memory, and prints GB/s
// of weights, GFLOP/s and the share of the limit measured just before: memory for m < 9, arithmetic otherwise. Best of --reps, as the
// limits are the best of some: other processes only ever take away.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "common/flags.hpp"
#include "common/limits.hpp"
#include "common/random_matrix.hpp"
#include "vernier/gemm/gemm.hpp"
#include "vernier/gemm/precompiled.hpp"

namespace {

using namespace vernier;

struct Settings {
  std::vector<std::string> weights{"f16", "bf16", "bf16/bf16", "i8", "i8/i8", "e4m3", "e5m2", "nf4", "nf4/i8"};
  std::vector<int> m{1, 4, 8, 16, 32, 512};
  int n = 4096, k = 4096, threads = 2, mib = 512, reps = 7;
  cpu::Isa isa = cpu::selected_isa();
};

Settings parse(int argc, char** argv) {
  Settings s;
  bench::Flags flags("bench.gemm", argc, argv);
  flags.read("--weights", s.weights);
  flags.read("--m", s.m);
  flags.read("--n", s.n);
  flags.read("--k", s.k);
  flags.read("--threads", s.threads);
  flags.read("--isa", s.isa);
  flags.read("--mib", s.mib);
  flags.read("--reps", s.reps);
  flags.finish();
  return s;
}

cpu::Multiply parse_multiply(const std::string& text) {
  for (const cpu::Multiply multiply : cpu::all_multiplies)
    if (name(multiply) == text) return multiply;
  fail("bench.gemm", "unknown multiply ", text, "; expected f32, bf16, i16 or i8");
}

void run(cpu::ThreadPool& pool, const bench::LimitsProbe& probe, const Settings& s, const std::string& spec) {
  const std::size_t slash = spec.find('/');
  const auto p = parse_precision(spec.substr(0, slash));
  expect(p.has_value(), "bench.gemm", "unknown precision in ", spec);
  cpu::GemmOptions options{.isa = s.isa};
  if (slash != std::string::npos) options.multiply = parse_multiply(spec.substr(slash + 1));

  std::vector<PackedMatrix> chain;
  std::size_t bytes = 0;
  while (bytes < (static_cast<std::size_t>(s.mib) << 20)) {
    chain.push_back(bench::random_matrix(pool, s.n, s.k, *p, static_cast<unsigned>(chain.size())));
    bytes += chain.back().bytes();
  }
  cpu::GemmWorkspace workspace;
  for (int m : s.m) {
    std::vector<float> x(static_cast<std::size_t>(m) * static_cast<std::size_t>(s.k)),
        y(static_cast<std::size_t>(m) * static_cast<std::size_t>(s.n));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) * 0.1f - 0.8f;
    const bench::Limits limit = probe.measure();
    const std::size_t used = m <= 32 ? chain.size() : 1;  // as a decode step meets them; arithmetic, not memory, limits the large ones
    double t = 1e9;
    for (int rep = 0; rep <= s.reps; ++rep) {
      const double start = bench::now();
      for (std::size_t i = 0; i < used; ++i)
        cpu::gemm(pool, MatrixView<const float>(x.data(), m, s.k), chain[i].view(), MatrixView<float>(y.data(), m, s.n), workspace,
                  options);
      if (rep != 0) t = std::min(t, (bench::now() - start) / static_cast<double>(used));
    }
    const double gbs = static_cast<double>(chain[0].bytes()) / t * 1e-9, flops = 2.0 * m * s.n * s.k / t;
    const double peak = options.multiply == cpu::Multiply::i16                      ? limit.int8 / 2
                        : options.multiply == cpu::Multiply::i8                     ? limit.int8
                        : options.multiply == cpu::Multiply::bf16 && limit.bf16 > 0 ? limit.bf16
                                                                                    : limit.fma;
    std::printf("%-10s m %4d  %9.1f us  %6.1f GB/s = %3.0f%% of %4.1f   %7.1f GFLOP/s = %3.0f%% of %4.0f\n", spec.c_str(), m, t * 1e6, gbs,
                100e9 * gbs / limit.read, limit.read * 1e-9, flops * 1e-9, peak > 0 ? 100 * flops / peak : 0, peak * 1e-9);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const Settings settings = parse(argc, argv);
  cpu::ThreadPool pool(settings.threads);
  if (settings.threads == 1) bench::use_cpu_time();
  const bench::LimitsProbe probe(pool, settings.isa);
  std::printf("n %d, k %d, %d threads, %s; limits are measured before each line\n", settings.n, settings.k, settings.threads,
              std::string(name(settings.isa)).c_str());
  for (const std::string& spec : settings.weights) run(pool, probe, settings, spec);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
