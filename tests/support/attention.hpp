// What the tests of attention share: a cache with sequences in it, a call of attention, and the bound of its error.
#pragma once

#include <cmath>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "support/kv.hpp"
#include "vernier/attention/attention.hpp"
#include "vernier/attention/precompiled.hpp"

namespace vernier::test {

/// The instruction sets that this machine runs.
inline std::vector<cpu::Isa> isas() {
  std::vector<cpu::Isa> found;
  for (cpu::Isa isa : cpu::all_isas)
    if (isa <= cpu::features().isa) found.push_back(isa);
  return found;
}

/// One layer of a cache with sequences whose keys and values come from seeds.
struct Scene {
  cpu::ThreadPool pool{2};
  KvCache cache;
  std::deque<KvSequence> sequences;
  int heads;

  Scene(const KvConfig& config, int kv_heads, int group, int head_dim, std::span<const int> lengths)
      : cache(config, {.layers = 1, .kv_heads = kv_heads, .head_dim = head_dim, .num_pages = pages_of(config, lengths)}),
        heads(kv_heads * group) {
    for (int length : lengths) {
      KvSequence& sequence = sequences.emplace_back(cache);
      EXPECT_TRUE(sequence.extend(length));
      fill(pool, cache, 0, sequence.last(length), 1000 * static_cast<unsigned>(sequences.size()));
    }
  }

  static int pages_of(const KvConfig& config, std::span<const int> lengths) {
    int pages = 0;
    for (int length : lengths) pages += length / config.page_tokens + 1;
    return pages;
  }

  int cols() const { return heads * cache.geometry().head_dim; }

  /// q for a chunk: a function of the position alone, so that chunks can be cut anywhere.
  std::vector<float> queries(std::span<const KvChunk> batch) const {
    std::vector<float> q;
    for (const KvChunk& chunk : batch)
      for (int i = 0; i < chunk.count; ++i) {
        const auto row = normal(static_cast<std::size_t>(cols()), 77u + static_cast<unsigned>(chunk.first + i));
        q.insert(q.end(), row.begin(), row.end());
      }
    return q;
  }

  std::vector<float> run(std::span<const KvChunk> batch, const std::vector<float>& q, int window, cpu::Isa isa,
                         cpu::ThreadPool& threads) const {
    std::vector<float> out(q.size(), 1e30f);
    AttentionWorkspace workspace(isa);
    const int rows = static_cast<int>(q.size()) / cols();
    attention(threads, cache, 0, batch, {q.data(), rows, cols()}, {out.data(), rows, cols()}, AttentionOptions{.window = window},
              workspace);
    return out;
  }
};

/// How far a float result may be from the reference on the same codes. u = 2^-24 is one rounding.
///
/// A score in powers of two is q'.k with q' = q * scale * log2(e) (3 u) and head_dim multiply-adds (2 u each where they are not fused),
/// a key scale (2 u) and the subtraction of the maximum (2 u): (2 head_dim + 10) u of `score`, the largest sum of |q' k|. An error of e
/// in an exponent is ln2 * e in the weight; the exponential adds 4 u, and each of the tiles may rescale (3 u). Weights enter numerator and
/// denominator, which add n terms (2 u each) and rescale and merge once per tile (3 u).
///
/// For i8, kernels may round q to 2^-16 of the largest element of its row, which is below 2^-16 |q| in each of head_dim products with
/// elements of k, in sum at most sqrt(head_dim) times the score; and weights to 2^-16 of the largest of their tile, which is at most
/// 2^-16 of the sum of all weights, for each of n keys.
///
/// For e4m3 and e5m2, kernels may round q and each weight to bf16, 2^-8 relatively, and drop what is below 2^-14 of the largest element of
/// a key or value: 2^-14 |k| in each of head_dim products, in sum at most sqrt(head_dim) times the score.
inline double attention_bound(Precision p, int head_dim, int keys, int tiles, double score, double largest_value) {
  constexpr double u = 0x1p-24;
  const bool fp8 = p == Precision::e4m3 || p == Precision::e5m2;
  const double code = p == Precision::i8 ? 0x1p-16 : 0.0, rounded = fp8 ? 0x1p-8 : 0.0, dropped = fp8 ? 0x1p-14 : code;
  const double weight = 0.6932 * ((2 * head_dim + 10) * u + rounded + std::sqrt(head_dim) * dropped) * score + (4 + 3 * tiles) * u;
  return largest_value * (2 * weight + rounded + dropped + (4 * keys + 6 * tiles + 40) * u + keys * code);
}

}  // namespace vernier::test
