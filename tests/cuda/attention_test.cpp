// CUDA attention on the emulator, against the reference in double on the same codes: formats x head sizes x group ratios x windows, ragged
// batches of prefill and decode, every schedule; and to the bit, that no division of the work changes a result.
#include "vernier/attention/attention.cuh"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support/cuda_kv.hpp"
#include "support/kv.hpp"
#include "vernier/attention/reference.hpp"

namespace vernier::cuda {
namespace {

/// How a call is divided; see AttentionTables.
struct Division {
  int units = 64, state_rows = 1024, enough_blocks = 1000;
  int blocks = 0;  // of each launch; 0 for as many as there are entries
};

/// One layer of a cache with sequences of seeded keys and values.
struct Scene {
  test::CudaKv kv;
  std::deque<KvSequence> sequences;
  int group;

  Scene(Precision precision, int kv_heads, int group_, int head_dim, std::span<const int> lengths)
      : kv({.precision = precision}, {.layers = 1, .kv_heads = kv_heads, .head_dim = head_dim, .num_pages = pages_of(lengths)}),
        group(group_) {
    for (int length : lengths) {
      KvSequence& sequence = sequences.emplace_back(kv.cache);
      EXPECT_TRUE(sequence.extend(length));
      const KvChunk chunk = sequence.last(length);
      const unsigned seed = 1000 * static_cast<unsigned>(sequences.size());
      write(chunk, test::token_rows(chunk, kv_cols(), seed), test::token_rows(chunk, kv_cols(), seed + 1));
    }
  }

  static int pages_of(std::span<const int> lengths) {
    int pages = 0;
    for (int length : lengths) pages += length / 32 + 1;
    return pages;
  }
  int kv_cols() const { return kv.cache.geometry().kv_heads * kv.cache.geometry().head_dim; }
  int cols() const { return group * kv_cols(); }

  void write(const KvChunk& chunk, const std::vector<float>& k, const std::vector<float>& v) {
    const test::CudaBatch batch(kv.cache, {&chunk, 1}, {}, chunk.count);
    cuda::append(kv.cache, 0, batch.view, {}, {k.data(), chunk.count, kv_cols()}, {v.data(), chunk.count, kv_cols()}, {}, {});
  }

  /// q for a batch: a function of the position alone, so that chunks can be cut anywhere.
  std::vector<float> queries(std::span<const KvChunk> batch) const {
    std::vector<float> q;
    for (const KvChunk& chunk : batch) {
      const auto rows = test::token_rows(chunk, cols(), 77);
      q.insert(q.end(), rows.begin(), rows.end());
    }
    return q;
  }

  /// The result for a batch, in T.
  template <class T = float>
  std::vector<T> run(std::span<const KvChunk> batch, const std::vector<float>& q, int window = 0, const Division& division = {}) const {
    const int rows = static_cast<int>(q.size()) / cols();
    const test::CudaBatch device_batch(kv.cache, batch, {}, rows);
    const AttentionTables tables({kv.cache.geometry().kv_heads, group, window}, division.units, division.state_rows,
                                 division.enough_blocks);
    const int head_dim = kv.cache.geometry().head_dim;
    Buffer<int> words(tables.words());
    AttentionGrid grid = tables.fill(batch, {words.data(), words.size()});
    if (division.blocks != 0) grid = {division.blocks, division.blocks, division.blocks};
    Buffer<unsigned char> states(attention_state_bytes(tables, head_dim));
    std::memset(states.data(), 0xff, states.size());
    std::vector<T> out(q.size());
    constexpr Precision precision = std::is_same_v<T, float> ? Precision::f32 : std::is_same_v<T, f16> ? Precision::f16 : Precision::bf16;
    attention(kv.cache, 0,
              {.batch = device_batch.view,
               .tables = tables.view(words.data()),
               .grid = grid,
               .q = {q.data(), rows, cols()},
               .out = {out.data(), cols(), precision, rows, cols()},
               .states = attention_states(tables, states.data())},
              {});
    return out;
  }
};

class CudaAttention : public testing::TestWithParam<Precision> {};

/// How far a result may be from the reference. u = 2^-24 is one rounding of float, e one of the operands: 2^-11 for f16, which has
/// absolute errors of 2^-25 below 2^-14, and 2^-8 for bf16.
///
/// A score in powers of two is the product of k with q' = q * scale * log2(e), rounded by e |q'| + 2^-25; head_dim products are added in
/// float, and a key scale and the maximum taken (10 u). An error of d in an exponent is ln2 * d in the weight. Weights are rounded by e or
/// by 2^-25 of the largest, for each key; the exponential has 2^-22; numerator and denominator add n terms and rescale and merge once per
/// step (3 u).
double bound(Precision p, int head_dim, int keys, double query_norm, double key_norm, double largest_value) {
  constexpr double u = 0x1p-24;
  const double e = p == Precision::bf16 ? 0x1p-8 : 0x1p-11, score = query_norm * key_norm;
  const double exponent = (e + (head_dim + 10) * u) * score + 0x1p-25 * std::sqrt(head_dim) * key_norm;
  const double sums = (2 * keys + 6 * (keys / 32 + 2) + 8) * u + 0x1p-21;
  return largest_value * (2 * 0.6932 * exponent + e + keys * 0x1p-25 + 2 * sums);
}

double largest_norm(const std::vector<float>& rows, int dim) {
  double largest = 0;
  for (std::size_t at = 0; at < rows.size(); at += static_cast<std::size_t>(dim)) {
    double sum = 0;
    for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d)
      sum += static_cast<double>(rows[at + d]) * static_cast<double>(rows[at + d]);
    largest = std::max(largest, std::sqrt(sum));
  }
  return largest;
}

struct Shape {
  int head_dim, kv_heads, group;
};

/// A batch of every kind of chunk: one token, a whole prompt, parts of prompts that see several splits, decode behind short and long ones.
std::vector<KvChunk> mixed_batch(const Scene& scene) {
  std::vector<KvChunk> batch;
  for (std::size_t i = 0; i < scene.sequences.size(); ++i) batch.push_back(scene.sequences[i].last(std::array{1, 33, 21, 1, 3}[i]));
  return batch;
}
constexpr int mixed_lengths[] = {1, 33, 300, 257, 70};

void expect_agreement(Precision precision, const Shape& shape, int window, const simt::Options& options) {
  SCOPED_TRACE(concat("head_dim ", shape.head_dim, " group ", shape.group, " window ", window, " ", to_string(options)));
  simt::session() = {.options = options, .counters = {}};
  const Scene scene(precision, shape.kv_heads, shape.group, shape.head_dim, mixed_lengths);
  const std::vector<KvChunk> batch = mixed_batch(scene);
  const auto q = scene.queries(batch);
  const int rows = static_cast<int>(q.size()) / scene.cols();
  std::vector<double> want(q.size());
  const double scale = 1 / std::sqrt(static_cast<double>(shape.head_dim));
  reference::attention(scene.kv.cache, 0, batch, {q.data(), rows, scene.cols()}, {want.data(), rows, scene.cols()},
                       SlidingWindow{window == 0 ? 100'000 : window}, scale);
  // The keys are normal, so their norm stays below 1.5 sqrt(dim) + 6 at these sizes, rounding included, and values below 6.
  const double key_norm = 1.5 * std::sqrt(static_cast<double>(shape.head_dim)) + 6;
  const double within = bound(precision, shape.head_dim, 300, largest_norm(q, shape.head_dim) * scale * 1.4427, key_norm, 6.0);
  const auto got = scene.run(batch, q, window);
  EXPECT_EQ(simt::session().counters.bank_conflicts, 0u);
  test::Worst worst;
  for (std::size_t i = 0; i < got.size(); ++i) worst.add(i, want[i], static_cast<double>(got[i]), within);
  EXPECT_LE(worst.excess, 0) << worst.text();
}

TEST_P(CudaAttention, AgreesWithTheReferenceForEveryHeadSize) {
  expect_agreement(GetParam(), {64, 2, 4}, 0, {});
  expect_agreement(GetParam(), {80, 1, 7}, 5, {});
  expect_agreement(GetParam(), {96, 1, 1}, 0, {});
  expect_agreement(GetParam(), {128, 1, 3}, 40, {});
}

TEST_P(CudaAttention, AgreesWithTheReferenceInEverySchedule) {
  for (const simt::Options& options : simt::schedules()) expect_agreement(GetParam(), {64, 1, 3}, 0, options);
}

INSTANTIATE_TEST_SUITE_P(Formats, CudaAttention, testing::ValuesIn(test::kv_precisions),
                         [](const auto& i) { return std::string(name(i.param)); });

}  // namespace
}  // namespace vernier::cuda
