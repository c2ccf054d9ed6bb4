// bench.quant: times quantize_rows() and dequantize() for every format on normal weights: GB/s of float32 read or written, best of --reps,
// and the error that the format makes, relative to the root mean square of the weights.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "common/flags.hpp"
#include "vernier/quant/quantize.hpp"

namespace {

using namespace vernier;

struct Settings {
  int n = 4096, k = 4096, threads = 2, reps = 9;
};

Settings parse(int argc, char** argv) {
  Settings s;
  bench::Flags flags("bench.quant", argc, argv);
  flags.read("--n", s.n);
  flags.read("--k", s.k);
  flags.read("--threads", s.threads);
  flags.read("--reps", s.reps);
  flags.finish();
  return s;
}

template <class F>
double best_seconds(int reps, F&& f) {
  double best = 1e30;
  for (int i = 0; i < reps; ++i) {
    const auto start = std::chrono::steady_clock::now();
    f();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

void measure(const Settings& s, const WeightFormat& format, const std::vector<float>& weights, cpu::ThreadPool& pool) {
  std::vector<float> back(weights.size());
  PackedMatrix packed(s.n, s.k, format);
  const double in = best_seconds(s.reps, [&] { quantize_rows(packed, 0, {weights.data(), s.n, s.k}, &pool); });
  const double out = best_seconds(s.reps, [&] { dequantize(packed, {back.data(), s.n, s.k}, &pool); });
  double error = 0, power = 0, worst = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double w = weights[i], d = back[i] - w;
    error += d * d;
    power += w * w;
    worst = std::max(worst, std::abs(d));
  }
  const double gigabytes = static_cast<double>(weights.size()) * 4e-9, rms = std::sqrt(power / static_cast<double>(weights.size()));
  std::printf("%-16s %8.2f %8.2f %12.2e %12.2e\n", to_string(format).c_str(), gigabytes / in, gigabytes / out, std::sqrt(error / power),
              worst / rms);
}

}  // namespace

int main(int argc, char** argv) try {
  const Settings s = parse(argc, argv);
  cpu::ThreadPool pool(s.threads);
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> weights(static_cast<std::size_t>(s.n) * static_cast<std::size_t>(s.k));
  for (float& w : weights) w = normal(random);

  std::printf("%-16s %8s %8s %12s %12s\n", "format", "in GB/s", "out GB/s", "error rms", "error worst");
  for (const Precision p : all_precisions)
    for (const Scaling scaling : all_scalings)
      for (const int group : {0, 32, 64, 128})
        if (const WeightFormat format{p, scaling, group}; why_unsupported(format).empty()) measure(s, format, weights, pool);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
