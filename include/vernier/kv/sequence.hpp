// Sequences of a paged KV cache, and the chunks of them that a batch is made of. They hold page numbers only, so they serve a cache in any
// memory. One thread at a time may change the sequences of a cache.
#pragma once

#include <algorithm>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "vernier/core/error.hpp"
#include "vernier/kv/pages.hpp"

namespace vernier {

/// The pages of a sequence in order: position p lies in pages[p / page_tokens]. Owned by the sequence; valid until it changes.
using PageTable = std::span<const int>;

/// `count` consecutive positions of one sequence, from `first` on. A batch is a list of these; its token rows (of q, k, v, out) follow
/// each other in the order of the list. Decode has count 1, a prefill chunk more.
struct KvChunk {
  PageTable pages;
  int first = 0;
  int count = 0;
};

/// One sequence's hold on pages: positions [0, tokens()). Move-only; the destructor gives the pages back.
class KvSequence {
 public:
  explicit KvSequence(KvPages& cache) : cache_(&cache) {}
  KvSequence(KvSequence&& other) noexcept
      : cache_(other.cache_), pages_(std::exchange(other.pages_, {})), tokens_(std::exchange(other.tokens_, 0)) {}
  KvSequence& operator=(KvSequence&& other) noexcept {
    std::swap(cache_, other.cache_);
    std::swap(pages_, other.pages_);
    std::swap(tokens_, other.tokens_);
    return *this;
  }
  ~KvSequence() { truncate(0); }

  int tokens() const { return tokens_; }
  PageTable pages() const { return pages_; }

  /// Free pages that extend(count) would take: new ones, and one more if the last page is shared and must be copied.
  int pages_needed(int count) const {
    if (count <= 0) return 0;
    return cache_->pages_for(tokens_ + count) - static_cast<int>(pages_.size()) + (must_copy() ? 1 : 0);
  }

  /// Makes room for `count` more tokens, whose contents append() then writes in every layer. A shared last page is copied first, so that
  /// the other holders keep theirs. All or nothing: false when the pool has too few free pages, and then nothing has changed.
  [[nodiscard]] bool extend(int count) {
    expect(count >= 0 && count <= std::numeric_limits<int>::max() - tokens_, "vernier::KvSequence::extend", "count = ", count, " after ",
           tokens_, " tokens, expected 0 or more and a sum below 2147483648");
    if (pages_needed(count) > cache_->free_pages()) return false;
    const auto pages = static_cast<std::size_t>(cache_->pages_for(tokens_ + count));
    if (pages > pages_.capacity()) pages_.reserve(std::max(pages, 2 * pages_.capacity()));
    if (count > 0 && must_copy()) {
      const int copy = cache_->pages().allocate();
      cache_->copy_page(pages_.back(), copy);
      cache_->pages().release(std::exchange(pages_.back(), copy));
    }
    while (pages_.size() < pages) pages_.push_back(cache_->pages().allocate());
    tokens_ += count;
    return true;
  }

  /// Forgets the positions from `tokens` on and gives their pages back. Does nothing when there are no more than that.
  void truncate(int tokens) {
    tokens_ = std::min(tokens_, std::max(tokens, 0));
    while (static_cast<int>(pages_.size()) > cache_->pages_for(tokens_)) {
      cache_->pages().release(pages_.back());
      pages_.pop_back();
    }
  }

  /// A sequence that shares the first `tokens` positions; whoever extends a shared last page first gets a copy of it.
  KvSequence fork(int tokens) const {
    expect(tokens >= 0 && tokens <= tokens_, "vernier::KvSequence::fork", "tokens = ", tokens, ", expected 0 to ", tokens_);
    KvSequence other(*cache_);
    other.pages_.assign(pages_.begin(), pages_.begin() + cache_->pages_for(tokens));
    for (int page : other.pages_) cache_->pages().retain(page);
    other.tokens_ = tokens;
    return other;
  }

  /// The last `count` positions, as a chunk of a batch.
  KvChunk last(int count) const {
    expect(count >= 0 && count <= tokens_, "vernier::KvSequence::last", "count = ", count, ", expected 0 to ", tokens_);
    return {pages_, tokens_ - count, count};
  }

 private:
  bool must_copy() const { return tokens_ % cache_->config().page_tokens != 0 && cache_->pages().references(pages_.back()) > 1; }

  KvPages* cache_;
  std::vector<int> pages_;
  int tokens_ = 0;
};

}  // namespace vernier
