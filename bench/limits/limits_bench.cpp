// bench.limits: what the machine can do, as JSON: bytes per second read from each level of memory, operations per second in registers, and
// the time in which the workers meet. bench/run measures it first and again last, because virtual machines change by the minute.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "common/flags.hpp"
#include "common/limits.hpp"
#include "common/spread.hpp"

namespace {

using namespace vernier;

/// The median of five: a level that others disturb is not its best moment.
double level(cpu::ThreadPool& pool, const bench::LimitsProbe& probe, std::size_t bytes) {
  const std::size_t total = std::min(bytes, probe.bytes());
  const int passes = static_cast<int>(std::max<std::size_t>(1, (std::size_t{256} << 20) / total));
  std::vector<double> rates;
  bench::read_bandwidth(pool, probe.memory(), total, passes);
  for (int i = 0; i < 5; ++i) rates.push_back(bench::read_bandwidth(pool, probe.memory(), total, passes));
  return bench::median(rates) * 1e-9;
}

}  // namespace

int main(int argc, char** argv) try {
  int threads = 2;
  cpu::Isa isa = cpu::selected_isa();
  bench::Flags flags("bench.limits", argc, argv);
  flags.read("--threads", threads);
  flags.read("--isa", isa);
  flags.finish();
  cpu::ThreadPool pool(threads);
  const bench::LimitsProbe probe(pool, isa, std::size_t{1} << 29);
  const bench::Limits limits = probe.measure();
  const std::size_t each = static_cast<std::size_t>(threads) << 10;
  std::printf("{\"threads\": %d, \"isa\": \"%s\", \"fma_gops\": %.1f, \"int8_gops\": %.1f, \"bf16_gops\": %.1f, \"barrier_ns\": %.0f,\n",
              threads, name(isa).data(), limits.fma * 1e-9, limits.int8 * 1e-9, limits.bf16 * 1e-9, bench::barrier_round(threads) * 1e9);
  std::printf(" \"read_gbs\": {\"16 KiB a thread\": %.1f, \"512 KiB a thread\": %.1f, \"4 MiB a thread\": %.1f, \"512 MiB\": %.1f}}\n",
              level(pool, probe, 16 * each), level(pool, probe, 512 * each), level(pool, probe, 4096 * each),
              level(pool, probe, probe.bytes()));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
