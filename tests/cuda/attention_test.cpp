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

  Scene(const KvConfig& config, int kv_heads, int group_, int head_dim, std::span<const int> lengths)
      : kv(config, {.layers = 1, .kv_heads = kv_heads, .head_dim = head_dim, .num_pages = pages_of(config, lengths)}), group(group_) {
    for (int length : lengths) {
      KvSequence& sequence = sequences.emplace_back(kv.cache);
      EXPECT_TRUE(sequence.extend(length));
      const KvChunk chunk = sequence.last(length);
      const unsigned seed = 1000 * static_cast<unsigned>(sequences.size());
      write(chunk, test::token_rows(chunk, kv_cols(), seed), test::token_rows(chunk, kv_cols(), seed + 1));
    }
  }

  static int pages_of(const KvConfig& config, std::span<const int> lengths) {
    int pages = 0;
    for (int length : lengths) pages += ceil_div(length, config.page_tokens);
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
    std::fill_n(states.data(), states.size(), static_cast<unsigned char>(0xff));
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
/// What takes long, for a format without scales and one with them: the others differ in how codes become operands alone.
class CudaAttentionWork : public testing::TestWithParam<Precision> {};

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
  const Scene scene({precision}, shape.kv_heads, shape.group, shape.head_dim, mixed_lengths);
  const std::vector<KvChunk> batch = mixed_batch(scene);
  const auto q = scene.queries(batch);
  const int rows = static_cast<int>(q.size()) / scene.cols();
  std::vector<double> want(q.size());
  const double scale = 1 / std::sqrt(static_cast<double>(shape.head_dim));
  reference::attention(scene.kv.cache, 0, batch, {q.data(), rows, scene.cols()}, {want.data(), rows, scene.cols()},
                       SlidingWindow{window == 0 ? 100'000 : window}, scale);
  // The keys are normal, so their norm stays below 1.5 sqrt(dim) + 6 at these sizes, rounding included, and values below 6.
  const double key_norm = 1.5 * std::sqrt(static_cast<double>(shape.head_dim)) + 6;
  const double within = bound(precision, shape.head_dim, 300, test::largest_norm(q, shape.head_dim) * scale * 1.4427, key_norm, 6.0);
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
  for (const simt::Options& options : simt::schedules(1)) expect_agreement(GetParam(), {64, 1, 3}, 0, options);
}

/// Whether the rows of `got` are those of `want` from `row` on.
template <class T>
bool same_rows(const std::vector<T>& want, int row, const std::vector<T>& got, int cols) {
  return std::memcmp(want.data() + static_cast<std::size_t>(row) * static_cast<std::size_t>(cols), got.data(), got.size() * sizeof(T)) == 0;
}

TEST_P(CudaAttentionWork, NoDivisionOfTheWorkChangesABit) {
  const Scene scene({GetParam()}, 1, 3, 64, mixed_lengths);
  const std::vector<KvChunk> batch = mixed_batch(scene);
  const auto q = scene.queries(batch);
  for (int window : {0, 270}) {
    const auto want = scene.run(batch, q, window);
    if (window != 0) {
      EXPECT_TRUE(same_rows(want, 0, scene.run(batch, q, window, {.enough_blocks = 0, .blocks = 2}), scene.cols()));
      continue;
    }
    for (const Division& other : {Division{.enough_blocks = 0}, Division{.blocks = 1}, Division{.state_rows = 50, .blocks = 3},
                                  Division{.units = 3}, Division{.state_rows = 0}})
      EXPECT_TRUE(same_rows(want, 0, scene.run(batch, q, window, other), scene.cols()))
          << concat("units ", other.units, " state_rows ", other.state_rows, " enough_blocks ", other.enough_blocks);
    int row = 0;
    for (const KvChunk& chunk : batch) {
      EXPECT_TRUE(same_rows(want, row, scene.run({&chunk, 1}, scene.queries({&chunk, 1}), window), scene.cols())) << "alone, row " << row;
      row += chunk.count;
    }
  }
}

TEST_P(CudaAttentionWork, ChunkedPrefillAndDecodeGiveTheBitsOfOnePrefill) {
  const int length[] = {300};
  const Scene scene({GetParam()}, 1, 3, 64, length);
  const KvChunk all = scene.sequences[0].last(300);
  const auto whole = scene.run({&all, 1}, scene.queries({&all, 1}));
  int at = 0;
  for (int count : {1, 5, 26, 1, 225, 1, 41}) {
    const KvChunk part{all.pages, at, count};
    EXPECT_TRUE(same_rows(whole, at, scene.run({&part, 1}, scene.queries({&part, 1})), scene.cols())) << at << " + " << count;
    at += count;
  }
}

float largest_code(Precision p) {
  return p == Precision::i8 ? 127.0f : p == Precision::e4m3 ? 448.0f : p == Precision::e5m2 ? 57344.0f : 1.0f;
}

// With q = 0 all visible keys weigh the same, and values that name their position give away exactly which ones were seen.
TEST_P(CudaAttentionWork, SeesExactlyItsKeys) {
  const int length[] = {290};
  Scene scene({GetParam()}, 1, 3, 64, length);
  const KvChunk all = scene.sequences[0].last(290);
  std::vector<float> k(290 * 64), v(290 * 64);
  // Exact in every format, weights times scales too: the largest of each row makes its scale 1.
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = i % 64 == 0 ? largest_code(GetParam()) : static_cast<float>(i / 64 % 8 + 1);
  scene.write(all, k, v);
  const std::vector<float> q(static_cast<std::size_t>(290 * scene.cols()));
  // A window of 256 begins to leave keys out where a warp begins, one of 250 within a warp.
  for (int window : {0, 5, 250, 256}) {
    const auto out = scene.run({&all, 1}, q, window);
    test::Worst worst;
    for (int p = 0; p < 290; ++p) {
      const int first = window == 0 ? 0 : std::max(0, p - window + 1);
      double sum = 0;
      for (int key = first; key <= p; ++key) sum += key % 8 + 1;
      for (int i = 0; i < scene.cols(); ++i) {
        if (i % 64 == 0) continue;
        const auto at = static_cast<std::size_t>(p * scene.cols() + i);
        // At most 290 additions and some merges of numbers up to 8. One key too many changes the mean by 2e-3.
        worst.add(at, sum / (p - first + 1), static_cast<double>(out[at]), 8 * 320 * 0x1p-24);
      }
    }
    EXPECT_LE(worst.excess, 0) << "window " << window << ": " << worst.text();
  }
}

// A warp reads the table of pages for 32 steps at once, and a page may hold several steps.
TEST_P(CudaAttentionWork, SeesAllPagesOfEverySize) {
  const int length[] = {1100};
  for (int page_tokens : {32, 64, 128}) {
    Scene scene({GetParam(), page_tokens}, 1, 2, 64, length);
    const KvChunk all = scene.sequences[0].last(1100), last = scene.sequences[0].last(1);
    std::vector<float> v;
    double sum = 0;
    for (int p = 0; p < 1100; ++p) {
      const float scale = std::ldexp(1.0f, p / 16 % 3), x = scale * static_cast<float>(1 + p / 32 % 11);
      v.push_back(scale * largest_code(GetParam()));  // which makes it the row's scale, so that x is exact
      v.insert(v.end(), 63, x);
      sum += static_cast<double>(x);
    }
    scene.write(all, std::vector<float>(v.size()), v);
    const auto out = scene.run({&last, 1}, std::vector<float>(static_cast<std::size_t>(scene.cols())), 0, {.enough_blocks = 0});
    // All weights are equal and all sums integers below 2^24; the reciprocal of the number of keys is rounded, and the product with it.
    for (int i = 0; i < scene.cols(); ++i) {
      if (i % 64 == 0) continue;
      EXPECT_NEAR(static_cast<double>(out[static_cast<std::size_t>(i)]), sum / 1100, sum / 1100 * 4 * 0x1p-24)
          << "page_tokens " << page_tokens << ", element " << i;
    }
  }
}

/// Overwrites one key or value with a number in one element, keeping the others.
void poison(Scene& scene, int position, bool key, float bad, std::size_t element = 3) {
  const KvChunk chunk{scene.sequences[0].pages(), position, 1};
  auto k = test::token_rows(chunk, scene.kv_cols(), 1000), v = test::token_rows(chunk, scene.kv_cols(), 1001);
  (key ? k : v)[element] = bad;
  scene.write(chunk, k, v);
}

TEST_P(CudaAttention, NanInTheCacheReachesThoseWhoSeeItAndNobodyElse) {
  const int length[] = {80};
  for (bool key : {true, false}) {
    Scene scene({GetParam()}, 2, 2, 64, length);
    const KvChunk all = scene.sequences[0].last(80);
    const auto q = scene.queries({&all, 1});
    poison(scene, 40, key, NAN);               // the neighbours of 40 in its step are seen by earlier and later queries alike
    if (!key) poison(scene, 41, key, NAN, 5);  // shares its registers
    for (int window : {0, 10}) {
      const auto out = scene.run({&all, 1}, q, window);
      for (int p = 0; p < 80; ++p) {
        const auto sees = [&](int position) { return p >= position && (window == 0 || p < position + window); };
        for (int i = 0; i < scene.cols(); ++i) {
          const bool shares_head = i < 2 * 64;
          // A NaN key spoils the whole row. A NaN value spoils its element, and in formats with a scale its row.
          const bool whole_row = key || has_kv_scale(GetParam());
          const bool spoilt = shares_head && ((sees(40) && (whole_row || i % 64 == 3)) || (!key && sees(41) && (whole_row || i % 64 == 5)));
          ASSERT_EQ(std::isnan(out[static_cast<std::size_t>(p * scene.cols() + i)]), spoilt) << "position " << p << " element " << i;
        }
      }
    }
  }
}

TEST_P(CudaAttention, ScalesOfEverySizeAreKept) {
  const int length[] = {70};
  Scene scene({GetParam()}, 1, 1, 64, length);
  const KvChunk last = scene.sequences[0].last(1), all = scene.sequences[0].last(70);
  const std::vector<float> k(70 * 64), q(64);
  for (float size : {1e-4f, 1.0f, 1e4f}) {  // from key to key 2^-10 smaller or larger
    if (has_kv_scale(GetParam())) size *= size * size;
    std::vector<float> v(70 * 64);
    double want = 0, largest = 0;
    for (int i = 0; i < 70; ++i) {
      const float x = size * std::ldexp(1.0f, i % 2 == 0 ? 0 : -10);
      std::fill_n(v.begin() + 64 * i, 64, x);
      want += static_cast<double>(x) / 70;
      largest = std::max(largest, static_cast<double>(x));
    }
    scene.write(all, k, v);
    const auto out = scene.run({&last, 1}, q);
    // A value is its row's largest, so it is rounded once, to f16 (subnormal from 2^-14 on) or by its scale; a weight once, and 73 sums.
    const double e = GetParam() == Precision::bf16 ? 0x1p-8 : 0x1p-11;
    for (float x : out) EXPECT_NEAR(static_cast<double>(x), want, largest * (2 * e + 80 * 0x1p-24) + 0x1p-25) << size;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, CudaAttention, testing::ValuesIn(test::kv_precisions),
                         [](const auto& i) { return std::string(name(i.param)); });
INSTANTIATE_TEST_SUITE_P(Formats, CudaAttentionWork, testing::Values(Precision::f16, Precision::e4m3),
                         [](const auto& i) { return std::string(name(i.param)); });

TEST(CudaAttentionOutput, IsAlsoF16OrBf16) {
  const Scene scene({Precision::e4m3}, 1, 3, 64, mixed_lengths);
  const std::vector<KvChunk> batch = mixed_batch(scene);
  const auto q = scene.queries(batch);
  const auto plain = scene.run(batch, q);
  const auto half = scene.run<f16>(batch, q);
  const auto brain = scene.run<bf16>(batch, q);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    ASSERT_EQ(half[i], f16::encode(plain[i])) << i;
    ASSERT_EQ(brain[i], bf16::encode(plain[i])) << i;
  }
}

TEST(CudaAttentionConflicts, ThereAreNone) {
  const int lengths[] = {70, 40};
  for (Precision precision : test::kv_precisions) {
    const Scene scene({precision}, 1, 2, 80, lengths);
    for (const KvChunk& chunk : {scene.sequences[0].last(70), scene.sequences[1].last(1)}) {  // one launch each: large, small
      simt::session() = {};
      (void)scene.run({&chunk, 1}, scene.queries({&chunk, 1}));
      EXPECT_GT(simt::session().counters.matrix_products, 0u);
      EXPECT_EQ(simt::session().counters.bank_conflicts, 0u) << name(precision) << ", " << chunk.count << " tokens";
    }
  }
}

TEST(CudaAttentionTables, SplitLongContextsAndNameWhatDoesNotFit) {
  const int lengths[] = {600, 300};
  const Scene scene({Precision::f16}, 1, 1, 64, lengths);
  const std::vector<KvChunk> batch{scene.sequences[0].last(1), scene.sequences[1].last(40)};
  const auto filled = [&](AttentionShape shape, int units, int state_rows, int enough) {
    const AttentionTables tables(shape, units, state_rows, enough);
    std::vector<int> words(tables.words());
    return tables.fill(batch, words);
  };
  const AttentionGrid split = filled({1, 1, 0}, 16, 200, 1000);
  EXPECT_EQ(split.small, 3);
  EXPECT_EQ(split.large, 2);
  EXPECT_EQ(split.merges, 1 + 3);
  const AttentionGrid whole = filled({1, 1, 0}, 16, 200, 1);
  EXPECT_EQ(whole.small + whole.large, 2);
  EXPECT_EQ(whole.merges, 0);
  EXPECT_EQ(filled({1, 1, 100}, 16, 200, 1000).small, 2);  // 600 - 100 is in the second split
  EXPECT_EQ(filled({1, 1, 0}, 16, 3, 1000).merges, 1);     // the large tile has no room
  EXPECT_EQ(test::error_of([&] {
              (void)filled({1, 40, 0}, 16, 200, 1000);
            }),
            "vernier::cuda::AttentionTables: the batch has 0 small and 26 large tiles of rows, but there is room for 16");
  EXPECT_EQ(test::error_of([&] {
              (void)filled({1, 1, -1}, 16, 200, 1000);
            }),
            "vernier::cuda::AttentionTables: window = -1, expected 0 (none) or more");
}

TEST(CudaAttentionEntry, NamesWhatDoesNotFit) {
  const int lengths[] = {40};
  const auto message = [&](int head_dim, auto change) {
    const Scene scene({Precision::f16}, 1, 2, head_dim, lengths);
    std::vector<float> x(static_cast<std::size_t>(4 * scene.cols()));
    const AttentionTables tables({1, 2, 0}, 1, 1, 1);
    std::vector<int> words(tables.words());
    AttentionCall call{.batch = {},
                       .tables = tables.view(words.data()),
                       .grid = {},
                       .q = {x.data(), 2, scene.cols()},
                       .out = {x.data(), scene.cols(), Precision::f32, 2, scene.cols()},
                       .states = {}};
    int layer = 0;
    change(call, layer);
    return test::error_of([&] { attention(scene.kv.cache, layer, call, {}); });
  };
  const auto nothing = [](AttentionCall&, int&) {};
  EXPECT_EQ(message(112, nothing), "vernier::cuda::attention: head_dim = 112, expected 64, 80, 96 or 128");
  EXPECT_EQ(message(64, [](AttentionCall&, int& layer) { layer = 1; }), "vernier::cuda::attention: layer = 1, the cache has 1");
  EXPECT_EQ(message(64, [](AttentionCall& call, int&) { call.q.cols = 64; }),
            "vernier::cuda::attention: q has 64 columns, expected kv_heads * group * head_dim = 128");
  EXPECT_EQ(message(64, [](AttentionCall& call, int&) { call.out.rows = 3; }),
            "vernier::cuda::attention: out is (3, 128), expected that of q: (2, 128)");
  EXPECT_EQ(message(64, [](AttentionCall& call, int&) { call.out.precision = Precision::i8; }),
            "vernier::cuda::attention: out is i8, expected f32, f16 or bf16");
  EXPECT_EQ(message(64, [](AttentionCall& call, int&) { call.scale = INFINITY; }),
            "vernier::cuda::attention: scale = inf, expected a finite number");
}

}  // namespace
}  // namespace vernier::cuda
