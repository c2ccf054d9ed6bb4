// Thousands of random extends, forks, truncations and releases against a model that simply copies: every sequence keeps reading its own
// tokens, and the pool's counts are what a recount gives.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "vernier/kv/cache.hpp"

namespace vernier {
namespace {

constexpr int page_tokens = 16;

struct Entry {
  KvSequence sequence;
  std::vector<std::uint16_t> tokens;  // the model
};

std::uint16_t& slot_of(KvCache& cache, const KvSequence& sequence, int layer, int position) {
  const KvRun run = cache.run(layer, 0, sequence.pages()[static_cast<std::size_t>(position / page_tokens)]);
  return reinterpret_cast<std::uint16_t*>(run.keys)[position % page_tokens];
}

void write_new(KvCache& cache, Entry& entry, int count, std::uint16_t& next) {
  for (int i = 0; i < count; ++i) {
    entry.tokens.push_back(++next);
    for (int layer : {0, 1}) slot_of(cache, entry.sequence, layer, static_cast<int>(entry.tokens.size()) - 1) = next;
  }
}

void expect_consistent(KvCache& cache, const std::vector<Entry>& entries) {
  std::map<int, int> holders;
  for (const Entry& entry : entries) {
    ASSERT_EQ(entry.sequence.tokens(), static_cast<int>(entry.tokens.size()));
    ASSERT_EQ(static_cast<int>(entry.sequence.pages().size()), cache.pages_for(entry.sequence.tokens()));
    for (int page : entry.sequence.pages()) ++holders[page];
    for (std::size_t i = 0; i < entry.tokens.size(); ++i)
      for (int layer : {0, 1}) ASSERT_EQ(slot_of(cache, entry.sequence, layer, static_cast<int>(i)), entry.tokens[i]);
  }
  ASSERT_EQ(cache.used_pages(), static_cast<int>(holders.size()));
  for (const auto& [page, count] : holders) ASSERT_EQ(cache.pages().references(page), count);
}

TEST(KvRandom, AgreesWithAModelThatCopies) {
  std::mt19937 random(7);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  KvCache cache({.page_tokens = page_tokens}, {.layers = 2, .kv_heads = 1, .head_dim = 8, .num_pages = 24});
  std::vector<Entry> entries;
  std::uint16_t next = 0;
  int refused = 0, copied = 0;
  for (int step = 0; step < 3000; ++step) {
    const int action = below(10);
    if (entries.empty() || action == 0) {
      entries.push_back({KvSequence(cache), {}});
    } else {
      const std::size_t i = static_cast<std::size_t>(below(static_cast<int>(entries.size())));
      Entry& entry = entries[i];
      const int length = static_cast<int>(entry.tokens.size());
      if (action <= 5) {
        const int count = below(40), needed = entry.sequence.pages_needed(count), free = cache.free_pages();
        copied += count > 0 && length % page_tokens != 0 && cache.pages().references(entry.sequence.pages().back()) > 1;
        const bool done = entry.sequence.extend(count);
        ASSERT_EQ(done, needed <= free);
        ASSERT_EQ(cache.free_pages(), done ? free - needed : free);
        if (done) write_new(cache, entry, count, next);
        refused += !done;
      } else if (action == 6) {
        const int keep = below(length + 1);
        entries.push_back({entry.sequence.fork(keep), {entry.tokens.begin(), entry.tokens.begin() + keep}});
      } else if (action == 7) {
        const int keep = below(length + 1);
        entry.sequence.truncate(keep);
        entry.tokens.resize(static_cast<std::size_t>(keep));
      } else {
        entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    expect_consistent(cache, entries);
    if (HasFatalFailure()) FAIL() << "at step " << step;
  }
  EXPECT_GT(refused, 50);  // the run did reach the interesting cases
  EXPECT_GT(copied, 50);
  entries.clear();
  EXPECT_EQ(cache.free_pages(), 24);
}

}  // namespace
}  // namespace vernier
