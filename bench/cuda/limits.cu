// bench.cuda.limits: what the GPU can do at most, as lines of JSON: bytes per second read from memory and from L2, operations per second of
// the tensor cores. bench/run_cuda measures it first and again last, because clocks and power change.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

#include "common/flags.hpp"
#include "cuda/device_limits.cuh"
#include "cuda/gpu.cuh"

namespace {

using namespace vernier;

template <Arch A>
void measure(const bench::Gpu& gpu, const bench::Nvml& nvml, int mib) {
  bench::DeviceProbe<A> probe(gpu.info.processors, static_cast<std::size_t>(mib) << 20);
  const bench::DeviceLimits limits = probe.measure();
  const int sm_mhz = nvml.clock(bench::Nvml::sm), memory_mhz = nvml.clock(bench::Nvml::memory);  // before they fall again
  const std::size_t in_l2 = std::min(gpu.l2_bytes / 4, probe.bytes());
  bench::Row mma;
  mma.add("f16", probe.template mma_peak<f16>() * 1e-12)
      .add("bf16", probe.template mma_peak<bf16>() * 1e-12)
      .add("int8", probe.template mma_peak<i8>() * 1e-12)
      .add("fp8", probe.template mma_peak<e4m3>() * 1e-12);
  bench::Row tensor;
  tensor.add("f16", limits.f16 * 1e-12).add("bf16", limits.bf16 * 1e-12).add("int8", limits.int8 * 1e-12).add("fp8", limits.fp8 * 1e-12);
  bench::Row("limits")
      .add("read_gbs", limits.read * 1e-9)
      .add("read_bytes", probe.bytes())
      .add("l2_gbs", probe.read(in_l2, std::size_t{64} << 30) * 1e-9)
      .add("l2_bytes_read", in_l2)
      .add("tensor_tops", tensor)
      .add("mma_sync_tops", mma)
      .add("sm_mhz", sm_mhz)
      .add("memory_mhz", memory_mhz)
      .print();
}

}  // namespace

int main(int argc, char** argv) try {
  int mib = 2048;
  bench::Flags flags("bench.cuda.limits", argc, argv);
  flags.read("--mib", mib);
  flags.finish();
  const std::optional<bench::Gpu> gpu = bench::find_gpu();
  if (!gpu) return 0;
  const bench::Nvml nvml(*gpu);
  bench::print_gpu(*gpu, nvml);
  switch (gpu->arch) {
    case Arch::sm80: measure<Arch::sm80>(*gpu, nvml, mib); break;
    case Arch::sm89: measure<Arch::sm89>(*gpu, nvml, mib); break;
    default: measure<Arch::sm90a>(*gpu, nvml, mib); break;
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
