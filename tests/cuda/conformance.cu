// Runs every probe on the GPU: does each instruction do what the PTX ISA says, and so what the emulator does? Says so as Markdown or JSON.
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <optional>

#include "cuda/conformance.hpp"

extern const char* const vernier_commit;  // written by the build

namespace {

using vernier::probes::Outcome;

constexpr const char* usage = R"(usage: conformance [--json]

Compares each instruction of vernier/cuda with the PTX ISA's description of it, on the current CUDA device.
Prints a table, or JSON with --json. The status is 0 if all agree, or if there is no device, and 1 otherwise.
)";

struct Setting {
  cudaDeviceProp device{};
  int driver = 0, runtime = 0;
  char date[32] = "";
};

std::optional<vernier::Arch> arch_of(int capability) {
  for (vernier::Arch arch : vernier::all_archs)
    if (vernier::cuda::serves(arch, capability)) return arch;
  return std::nullopt;
}

Setting setting(const vernier::cuda::Device& device) {
  Setting s;
  vernier::cuda::check(cudaGetDeviceProperties(&s.device, device.index), "conformance");
  vernier::cuda::check(cudaDriverGetVersion(&s.driver), "conformance");
  vernier::cuda::check(cudaRuntimeGetVersion(&s.runtime), "conformance");
  const std::time_t now = std::time(nullptr);
  std::strftime(s.date, sizeof s.date, "%Y-%m-%d", std::gmtime(&now));
  return s;
}

void print_table(const Setting& s, const std::vector<Outcome>& outcomes) {
  std::printf("# Conformance\n\n%s, compute capability %d.%d, driver %d, runtime %d, commit %s, %s\n\n", s.device.name, s.device.major,
              s.device.minor, s.driver, s.runtime, vernier_commit, s.date);
  std::printf("| instruction | elements | wrong | worst error / bound | first wrong |\n| --- | --- | --- | --- | --- |\n");
  for (const Outcome& o : outcomes)
    std::printf("| %s | %d | %d | %.3g | %s |\n", o.name.c_str(), o.checked, o.wrong, o.worst, o.example.c_str());
}

void print_json(const Setting& s, const std::vector<Outcome>& outcomes) {
  std::printf("{\"device\": \"%s\", \"capability\": \"%d.%d\", \"driver\": %d, \"runtime\": %d, \"commit\": \"%s\", \"date\": \"%s\",\n",
              s.device.name, s.device.major, s.device.minor, s.driver, s.runtime, vernier_commit, s.date);
  std::printf(" \"instructions\": [");
  const char* separator = "\n";
  for (const Outcome& o : outcomes) {
    std::printf("%s  {\"name\": \"%s\", \"elements\": %d, \"wrong\": %d, \"worst\": %.6g, \"first_wrong\": \"%s\"}", separator,
                o.name.c_str(), o.checked, o.wrong, o.worst, o.example.c_str());
    separator = ",\n";
  }
  std::printf("\n]}\n");
}

int run(bool json) {
  int devices = 0;
  const cudaError_t found = cudaGetDeviceCount(&devices);
  if (found != cudaSuccess || devices == 0) {  // without a driver this is an error, and of several kinds
    std::printf("no device (%s): nothing was run\n", cudaGetErrorName(found));
    return 0;
  }
  const vernier::cuda::Device device = vernier::cuda::current_device();
  const Setting s = setting(device);
  const std::optional<vernier::Arch> arch = arch_of(device.capability);
  if (!arch) {
    std::printf("%s has compute capability %d.%d, for which there are no kernels: nothing was run\n", s.device.name, s.device.major,
                s.device.minor);
    return 0;
  }
  vernier::probes::DeviceMachine machine(*arch);
  std::vector<Outcome> outcomes;
  run_instructions(machine, outcomes);
  run_kernels(machine, outcomes);
  json ? print_json(s, outcomes) : print_table(s, outcomes);
  int wrong = 0;
  for (const Outcome& o : outcomes) wrong += o.wrong;
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const bool json = argc == 2 && std::strcmp(argv[1], "--json") == 0;
  if (argc > 1 && !json) {
    const bool help = std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0;
    std::fputs(usage, help ? stdout : stderr);
    return help ? 0 : 2;
  }
  try {
    return run(json);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
