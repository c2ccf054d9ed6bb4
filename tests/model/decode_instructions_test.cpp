// How many instructions a decoded token costs, counted by valgrind, held against a budget from the model's sizes. Counts repeat exactly
// where times do not, so a loop that lost its vectors, or a pass that nobody asked for, fails here on any machine.
//
// valgrind 3.19 knows no AVX-512, so this guards the AVX2 step, whose driver and small operations AVX-512 shares. The program runs itself
// under callgrind (--decode FORMAT), which collects inside decode() alone: loading does not count.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/model/cpu_llama.hpp"
#include "support/model.hpp"

namespace vernier::model {
namespace {

constexpr int tokens = 2;  // decoded under the count
constexpr int depth = 20;  // positions in the cache before; the step stays in the first page

/// Two layers of SmolLM2-135M and a twelfth of its vocabulary.
ModelConfig shape() {
  ModelConfig config;
  config.layers = 2;
  config.hidden = 576;
  config.heads = 9;
  config.kv_heads = 3;
  config.head_dim = 64;
  config.ffn = 1536;
  config.vocab = 4096;
  config.context = 64;
  return config;
}

std::shared_ptr<const Weights> make_weights(Precision p) {
  return test::make_weights(shape(), uniform_formats(p), [](int n, int k, WeightFormat format, unsigned) {
    PackedMatrix w(n, k, format);
    std::memset(w.codes(), 0x11, w.panel().total_bytes());  // a small finite number in every format
    std::fill_n(w.scales(), w.panel().panels() * w.scale_groups() * CpuPanel::rows, 0.01f);
    return w;
  });
}

/// What is counted. Its name is what callgrind is told.
extern "C" [[gnu::noinline]] void vernier_counted_decode(Llama<CpuBackend>& llama, KvCache& cache, KvSequence& sequence, int count) {
  for (int id = 0; id < count; ++id) {
    if (!sequence.extend(1)) std::abort();
    const KvChunk chunk = sequence.last(1);
    Output output;
    llama.forward(cache, {&chunk, 1}, {&id, 1}, {&output, 1});
  }
}

/// The program that callgrind watches: one forward to warm up, then those that count.
int decode(Precision p) {
  cpu::ThreadPool pool(1);
  Llama<CpuBackend> llama(make_weights(p), CpuBackend(pool));
  KvCache cache({.precision = Precision::f16}, llama.kv_geometry(1));
  KvSequence sequence(cache);
  const KvChunk warm = sequence.extend(depth) ? sequence.last(1) : KvChunk{};
  const int id = 0;
  Output output;
  llama.forward(cache, {&warm, 1}, {&id, 1}, {&output, 1});
  vernier_counted_decode(llama, cache, sequence, tokens);
  return 0;
}

/// Instructions a token of each function, its callees left out. Empty if callgrind failed; its words are in the test's output.
std::map<std::string, double> count(const std::string& format) {
  const std::string file = concat(testing::TempDir(), "vernier_decode_", getpid(), "_", format, ".callgrind");
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = concat(
      "VERNIER_CPU=avx2 valgrind --tool=callgrind --toggle-collect=vernier_counted_decode --compress-strings=no --compress-pos=no "
      "--dump-line=no --callgrind-out-file='",
      file, "' '", program, "' --decode ", format, " >'", file, ".log' 2>&1");
  if (std::system(command.c_str()) != 0) {
    ADD_FAILURE() << "callgrind failed; its words are in " << file << ".log";
    return {};
  }
  std::map<std::string, double> counts;
  std::ifstream lines(file);
  std::string function;
  bool of_callee = false;  // the line after calls= is what the callee took
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("fn=")) function = line.substr(3);
    if (line.starts_with("0 ") && !std::exchange(of_callee, false)) counts[function] += std::stod(line.substr(2)) / tokens;
    if (line.starts_with("calls=")) of_callee = true;
  }
  std::filesystem::remove(file);
  std::filesystem::remove(file + ".log");
  return counts;
}

/// Instructions that 32 weights may cost in the AVX2 kernels: docs/tuning.md, "Instructions of a decoded token".
double per_32_weights(const Linear& linear) {
  const WeightFormat& format = linear.weight->format();
  switch (multiply_for(format, Activations::i8, cpu::Isa::avx2)) {
    case cpu::Multiply::i8: return format.precision == Precision::nf4 ? 12 : 8;
    default: return format.precision == Precision::i8 ? 22 : 14;
  }
}

struct Budget {
  double products = 0;   // the kernels that multiply
  double attention = 0;  // those that read keys and values
  double rest = 0;       // everything else
};

/// What a value costs outside of the products, in instructions, where loops run in vectors: those of AVX2 for int8 and SwiGLU, of a
/// baseline build elsewhere.
struct Allowance {
  static constexpr double stored = 9;      // an output: scaled, through its epilogue, copied to its row
  static constexpr double rounded = 6;     // an activation to int8: read twice, scaled, packed
  static constexpr double normed = 4;      // read twice
  static constexpr double gated = 6;       // SwiGLU, with its exponential
  static constexpr double turned = 6;      // a query by its angle
  static constexpr double cached = 24;     // a key or value: rounded to f16, each to a cache line of its own
  static constexpr double looked_up = 34;  // of the embedding: each from a cache line of its own, from f16 by integers
  static constexpr double call = 500;      // checks and division of the work of a product or of attention
};

/// Products: by weights. Attention: 2 for each cached element of the pages that it reads. The rest: see above.
Budget budget(const Weights& weights) {
  const ModelConfig& c = weights.config;
  Budget most;
  const auto product = [&](const Linear& linear, bool shares_x) {
    const PackedMatrix& w = *linear.weight;
    most.products += per_32_weights(linear) * w.n() * w.k() / 32;
    const bool rounds = multiply_for(w.format(), Activations::i8, cpu::Isa::avx2) == cpu::Multiply::i8;
    most.rest += Allowance::stored * w.n() + (rounds && !shares_x ? Allowance::rounded * w.k() : 0);
  };
  for (const LayerWeights& layer : weights.layers) {
    for (const Linear* linear : {&layer.q, &layer.o, &layer.gate, &layer.down}) product(*linear, false);
    for (const Linear* linear : {&layer.k, &layer.v, &layer.up}) product(*linear, true);
    most.rest += Allowance::normed * 2 * c.hidden + Allowance::turned * c.q_width() + Allowance::gated * c.ffn;
    most.rest += Allowance::cached * 2 * c.kv_width() + 5 * Allowance::call;
    most.attention += 2.0 * 2 * c.kv_width() * KvConfig{}.page_tokens;
  }
  product(weights.head, false);
  most.rest += (Allowance::normed + Allowance::looked_up) * c.hidden + Allowance::call;
  return most;
}

bool contains(const std::string& text, std::initializer_list<const char*> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](const char* part) { return text.find(part) != std::string::npos; });
}

class DecodeInstructions : public testing::TestWithParam<const char*> {};

TEST_P(DecodeInstructions, StayInBudget) {
  if (cpu::features().isa < cpu::Isa::avx2) GTEST_SKIP() << "this machine has no AVX2, whose kernels are counted";
  if (std::system("command -v valgrind >/dev/null 2>&1") != 0) GTEST_SKIP() << "valgrind is not installed";
  const std::string format = GetParam();
  const std::map<std::string, double> counts = count(format);
  if (counts.empty()) return;

  Budget spent;
  std::vector<std::pair<double, std::string>> rest;
  for (const auto& [function, instructions] : counts) {
    if (contains(function, {"float_tile<", "int8_tile<"}))
      spent.products += instructions;
    else if (contains(function, {"score_rows<", "add_values<", "attention", "Attention"}))
      spent.attention += instructions;
    else
      spent.rest += instructions, rest.emplace_back(instructions, function);
  }
  std::sort(rest.rbegin(), rest.rend());
  std::string largest;
  for (std::size_t i = 0; i < std::min<std::size_t>(6, rest.size()); ++i) largest += concat("\n  ", rest[i].first, "  ", rest[i].second);

  const Budget most = budget(*make_weights(*parse_precision(format)));
  std::printf("%s: products %.0f of %.0f, attention %.0f of %.0f, the rest %.0f of %.0f\n", format.c_str(), spent.products, most.products,
              spent.attention, most.attention, spent.rest, most.rest);
  EXPECT_GT(spent.products, 0);
  EXPECT_GT(spent.attention, 0);
  EXPECT_LE(spent.products, most.products) << "instructions a token in the kernels that multiply";
  EXPECT_LE(spent.attention, most.attention) << "instructions a token in attention";
  EXPECT_LE(spent.rest, most.rest) << "instructions a token in everything else; most of them in" << largest;
}

INSTANTIATE_TEST_SUITE_P(Formats, DecodeInstructions, testing::Values("nf4", "i8", "f16"), [](const auto& p) { return p.param; });

}  // namespace
}  // namespace vernier::model

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc == 3 && std::string(argv[1]) == "--decode") return vernier::model::decode(*vernier::parse_precision(argv[2]));
  return RUN_ALL_TESTS();
}
