// What the benchmarks on a GPU measure, and in which order: what matters most first, since a run may be stopped at any time.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "vernier/core/error.hpp"
#include "vernier/layout/weight_format.hpp"

namespace vernier::bench {

/// A weight matrix of a model: n output features, k input features. Queries, keys and values are one matrix, so are gate and up.
struct Layer {
  std::string_view name;
  int n = 0, k = 0;
};

struct ModelShape {
  std::string_view name;
  std::array<Layer, 5> layers;
  int heads = 0, kv_heads = 0, head_dim = 0, hidden = 0, ffn = 0, vocab = 0;
};

inline constexpr ModelShape llama_8b{
    "llama-8b", {{{"gate_up", 28672, 4096}, {"o", 4096, 4096}, {"down", 4096, 14336}, {"qkv", 6144, 4096}, {"head", 128256, 4096}}},
    32,         8,
    128,        4096,
    14336,      128256};
inline constexpr ModelShape llama_1b{
    "llama-1b", {{{"gate_up", 16384, 2048}, {"o", 2048, 2048}, {"down", 2048, 8192}, {"qkv", 3072, 2048}, {"head", 128256, 2048}}},
    32,         8,
    64,         2048,
    8192,       128256};

inline const ModelShape& find_model(std::string_view name) {
  for (const ModelShape* shape : {&llama_8b, &llama_1b})
    if (shape->name == name) return *shape;
  fail("--model", "'", name, "', expected llama-8b or llama-1b");
}

/// How weights are stored and what they are multiplied as: "nf4", "i8/i8" and so on.
struct GemmFormat {
  std::string_view name;
  WeightFormat weights;
  Precision operand = Precision::f16;
  bool exact_nf4 = false;
};

inline constexpr std::array gemm_formats{
    GemmFormat{"nf4", default_format(Precision::nf4)},
    GemmFormat{"f16", default_format(Precision::f16)},
    GemmFormat{"e4m3/e4m3", default_format(Precision::e4m3), Precision::e4m3},
    GemmFormat{"i8/i8", default_format(Precision::i8), Precision::i8},
    GemmFormat{"e4m3", default_format(Precision::e4m3)},
    GemmFormat{"i8", default_format(Precision::i8)},
    GemmFormat{"nf4-exact", default_format(Precision::nf4), Precision::f16, true},
    GemmFormat{"e4m3-block/e4m3", {Precision::e4m3, Scaling::block, 128}, Precision::e4m3},
    GemmFormat{"i8-64", {Precision::i8, Scaling::group, 64}},
    GemmFormat{"bf16", default_format(Precision::bf16), Precision::bf16},
    GemmFormat{"e5m2", default_format(Precision::e5m2)},
};

inline const GemmFormat& find_gemm_format(std::string_view name) {
  std::string known;
  for (const GemmFormat& format : gemm_formats) {
    if (format.name == name) return format;
    known += concat(known.empty() ? "" : ", ", format.name);
  }
  fail("--formats", "'", name, "', expected some of ", known);
}

/// One weight matrix in one format, for several numbers of tokens: operands are made once for all of them.
struct GemmCase {
  ModelShape model;
  Layer layer;
  GemmFormat format;
  std::vector<int> tokens;
  int importance = 0;  // less is sooner
};

struct GemmSelection {
  std::vector<std::string> models{"llama-8b", "llama-1b"}, formats{}, layers{};  // empty: all
  std::vector<int> tokens{1, 16, 64, 8, 32, 2048, 4, 128, 2, 512};
};

/// The first three formats at the first three matrices of the first model come first, then their other matrices, the other formats, and the
/// next model. Numbers of tokens are in the order of the list.
inline std::vector<GemmCase> gemm_plan(const GemmSelection& s) {
  const auto wanted = [](const std::vector<std::string>& list, std::string_view name) {
    return list.empty() || std::find(list.begin(), list.end(), name) != list.end();
  };
  std::vector<std::string> formats = s.formats;
  if (formats.empty())
    for (const GemmFormat& format : gemm_formats) formats.emplace_back(format.name);
  std::vector<GemmCase> plan;
  for (std::size_t f = 0; f < formats.size(); ++f)
    for (std::size_t m = 0; m < s.models.size(); ++m) {
      const ModelShape& model = find_model(s.models[m]);
      for (std::size_t l = 0; l < model.layers.size(); ++l) {
        if (!wanted(s.layers, model.layers[l].name)) continue;
        // The first three formats on the first model are the point of it all; the head is as good as gate_up for most questions.
        const int rank = static_cast<int>((f < 3 ? 0 : 20) + 40 * m + f + (l >= 3 ? 10 : 0));
        GemmCase c{model, model.layers[l], find_gemm_format(formats[f]), s.tokens, rank};
        if (model.layers[l].name == "head") std::erase_if(c.tokens, [](int tokens) { return tokens > 64; });  // logits of few tokens
        if (!c.tokens.empty()) plan.push_back(std::move(c));
      }
    }
  std::stable_sort(plan.begin(), plan.end(), [](const GemmCase& a, const GemmCase& b) { return a.importance < b.importance; });
  return plan;
}

/// `batch` sequences of which each has `depth` tokens in the cache and `tokens` new ones: one is decode, more are prefill.
struct AttentionCase {
  ModelShape model;
  Precision kv = Precision::f16;
  int batch = 1, depth = 0, tokens = 1;

  bool decode() const { return tokens == 1; }
  /// Keys that all new tokens of a sequence see, together.
  double pairs() const { return static_cast<double>(tokens) * depth + 0.5 * tokens * (tokens + 1.0); }
  double operations() const { return 4.0 * model.heads * model.head_dim * pairs() * batch; }
};

struct AttentionSelection {
  std::vector<std::string> models{"llama-8b", "llama-1b"}, kv{"e4m3", "f16", "i8", "bf16", "e5m2"};
};

/// Decode and prefill in turn, by importance; for each the formats in their order. The second model and later formats come last.
inline std::vector<AttentionCase> attention_plan(const AttentionSelection& s) {
  constexpr int work[][3] = {{16, 4096, 1}, {1, 0, 8192},   {1, 4096, 1},  {64, 4096, 1},  {1, 32767, 1},
                             {1, 0, 2048},  {8, 16384, 1},  {64, 512, 1},  {1, 4096, 512}, {1, 0, 16384},
                             {1, 512, 1},   {16, 16384, 1}, {32, 2048, 1}, {4, 32767, 1},  {64, 32767, 1}};
  std::vector<AttentionCase> plan;
  for (const std::string& model : s.models)
    for (const bool first : {true, false})  // of the formats
      for (const auto& [batch, depth, tokens] : work)
        for (std::size_t i = 0; i < s.kv.size(); ++i) {
          const auto kv = parse_precision(s.kv[i]);
          expect(kv && is_kv_precision(*kv), "--kv", "'", s.kv[i], "', expected some of f16, bf16, i8, e4m3 and e5m2");
          if ((i < 2) == first) plan.push_back({find_model(model), *kv, batch, depth, tokens});
        }
  return plan;
}

/// How many copies of a matrix are read in turn, so that each is in memory again, and not in L2, when its turn comes.
constexpr int copies_for(std::size_t bytes, std::size_t l2_bytes) {
  return static_cast<int>(std::min<std::size_t>(4 * l2_bytes / bytes + 2, 256));
}

/// Seconds that a program may take; 0 is for ever.
class Deadline {
 public:
  explicit Deadline(int seconds) : seconds_(seconds) {}
  double passed_seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  bool passed() const { return seconds_ > 0 && passed_seconds() > seconds_; }

 private:
  using Clock = std::chrono::steady_clock;
  int seconds_;
  Clock::time_point start_ = Clock::now();
};

}  // namespace vernier::bench
