// A query's result depends on its own q and the keys that it sees, to the bit: not on the chunk, the batch, the pages or the threads.
#include <gtest/gtest.h>

#include <cstring>
#include <tuple>

#include "support/attention.hpp"

namespace vernier {
namespace {

class Invariance : public testing::TestWithParam<std::tuple<Precision, cpu::Isa>> {
 protected:
  static constexpr int lengths[] = {330, 40, 261};

  Precision precision() const { return std::get<0>(GetParam()); }
  cpu::Isa isa() const { return std::get<1>(GetParam()); }
};

/// Whether the rows of `got` are those of `want` from `row` on.
bool same_rows(const std::vector<float>& want, int row, const std::vector<float>& got, int cols) {
  return std::memcmp(want.data() + static_cast<std::size_t>(row) * static_cast<std::size_t>(cols), got.data(),
                     got.size() * sizeof(float)) == 0;
}

TEST_P(Invariance, ChunkedPrefillAndDecodeGiveTheBitsOfOnePrefill) {
  cpu::ThreadPool one(1), three(3);
  for (int group : {1, 3, 5}) {
    const test::Scene scene({.precision = precision()}, 2, group, 24, lengths);
    for (int window : {0, 50}) {
      if (window != 0 && group != 3) continue;
      const KvChunk all = scene.sequences[0].last(330);
      const auto whole = scene.run({&all, 1}, scene.queries({&all, 1}), window, isa(), one);
      int at = 0;
      for (int count : {1, 5, 26, 1, 100, 122, 1, 1, 73}) {
        const KvChunk part{all.pages, at, count};
        const auto out = scene.run({&part, 1}, scene.queries({&part, 1}), window, isa(), three);
        EXPECT_TRUE(same_rows(whole, at, out, scene.cols()))
            << "group " << group << " window " << window << " chunk " << at << " + " << count;
        at += count;
      }
    }
  }
}

TEST_P(Invariance, BatchesAndThreadsChangeNothing) {
  const test::Scene scene({.precision = precision()}, 2, 4, 64, lengths);
  const std::vector<KvChunk> batch{scene.sequences[0].last(60), scene.sequences[1].last(1), scene.sequences[2].last(7),
                                   scene.sequences[0].last(1)};
  const auto q = scene.queries(batch);
  cpu::ThreadPool one(1);
  const auto want = scene.run(batch, q, 0, isa(), one);
  for (int threads : {2, 3, 4, 7}) {
    cpu::ThreadPool pool(threads);
    EXPECT_TRUE(same_rows(want, 0, scene.run(batch, q, 0, isa(), pool), scene.cols())) << threads << " threads";
  }
  int row = 0;
  for (const KvChunk& chunk : batch) {
    EXPECT_TRUE(same_rows(want, row, scene.run({&chunk, 1}, scene.queries({&chunk, 1}), 0, isa(), one), scene.cols()))
        << "alone, row " << row;
    row += chunk.count;
  }
}

TEST_P(Invariance, LongDecodeSplitOverThreadsGivesTheSameBits) {
  const int length[] = {1500};
  const test::Scene scene({.precision = precision()}, 1, 3, 64, length);
  const KvChunk last = scene.sequences[0].last(1);
  const auto q = scene.queries({&last, 1});
  cpu::ThreadPool one(1);
  const auto want = scene.run({&last, 1}, q, 0, isa(), one);
  for (int threads : {2, 3, 6}) {
    cpu::ThreadPool pool(threads);
    EXPECT_TRUE(same_rows(want, 0, scene.run({&last, 1}, q, 0, isa(), pool), scene.cols())) << threads << " threads";
  }
}

TEST_P(Invariance, ForkedPagesReadLikeTheirOriginal) {
  test::Scene scene({.precision = precision()}, 1, 3, 16, lengths);
  cpu::ThreadPool one(1);
  KvSequence fork = scene.sequences[1].fork(39);
  const KvChunk original{scene.sequences[1].pages(), 38, 1}, forked{fork.pages(), 38, 1};
  const auto q = scene.queries({&original, 1});
  EXPECT_TRUE(same_rows(scene.run({&original, 1}, q, 0, isa(), one), 0, scene.run({&forked, 1}, q, 0, isa(), one), scene.cols()));
}

INSTANTIATE_TEST_SUITE_P(Formats, Invariance, testing::Combine(testing::ValuesIn(test::kv_precisions), testing::ValuesIn(test::isas())),
                         [](const auto& i) { return concat(name(std::get<0>(i.param)), "_", name(std::get<1>(i.param))); });

}  // namespace
}  // namespace vernier
