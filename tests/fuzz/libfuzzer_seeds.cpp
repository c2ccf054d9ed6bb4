// Gives libFuzzer the seeds that a target makes: they are written to the first corpus folder on the command line.
#include <filesystem>
#include <fstream>

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  for (int i = 1; i < *argc; ++i) {
    const std::filesystem::path folder = (*argv)[i];
    if ((*argv)[i][0] == '-' || !std::filesystem::is_directory(folder)) continue;
    int number = 0;
    for (const std::string& seed : vernier::fuzz::seeds())
      std::ofstream(folder / ("seed-" + std::to_string(number++)), std::ios::binary) << seed;
    break;
  }
  return 0;
}
