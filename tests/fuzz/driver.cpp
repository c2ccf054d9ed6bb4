// Runs a fuzz target without libFuzzer: replays the seeds, then tries mutations of them for some seconds. Input number n is always the
// same, and a failure prints it: <target> --only=n repeats it alone and writes it to a file.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/fuzz.hpp"
#include "fuzz/mutate.hpp"

// Sanitizers end a program without a signal; this is how they let it say a last word.
extern "C" void __sanitizer_set_death_callback(void (*)()) __attribute__((weak));

namespace {

std::atomic<long long> current{-1};  // for the handlers below, which can have no arguments

void say_where() {
  char text[96];
  const int length =
      std::snprintf(text, sizeof text, "\nfuzz: failed at input %lld; repeat it with --only=%lld\n", current.load(), current.load());
  if (::write(2, text, static_cast<std::size_t>(length)) < 0) return;
}

void on_signal(int number) {
  say_where();
  ::signal(number, SIG_DFL);
  ::raise(number);
}

void run_one(const std::string& input, long long number) {
  current = number;
  ::alarm(10);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  ::alarm(0);
}

std::vector<std::string> all_seeds(const std::filesystem::path& corpus) {
  std::vector<std::string> out = vernier::fuzz::seeds();
  if (!std::filesystem::is_directory(corpus)) return out;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());  // so that numbers mean the same everywhere
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return out;
}

long long option(int argc, char** argv, const char* name, long long fallback) {
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], name, std::strlen(name)) == 0) return std::atoll(argv[i] + std::strlen(name));
  }
  return fallback;
}

}  // namespace

int main(int argc, char** argv) {
  for (const int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGALRM}) ::signal(number, on_signal);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(say_where);
  const std::vector<std::string> seeds = all_seeds(argc > 1 && argv[argc - 1][0] != '-' ? argv[argc - 1] : "");
  const auto count = static_cast<long long>(seeds.size());
  const auto input_of = [&](long long n) {
    return n < count ? seeds[static_cast<std::size_t>(n)] : vernier::fuzz::Mutator(seeds, static_cast<std::uint64_t>(n)).make();
  };
  if (const long long only = option(argc, argv, "--only=", -1); only >= 0) {
    const std::string input = input_of(only);
    std::ofstream("fuzz-input-" + std::to_string(only), std::ios::binary) << input;
    run_one(input, only);
    return 0;
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(option(argc, argv, "--seconds=", 5));
  long long n = 0;
  for (; n < count || std::chrono::steady_clock::now() < end; ++n) run_one(input_of(n), n);
  std::printf("fuzz: %lld inputs, of which %lld seeds\n", n, count);
  return 0;
}
