#include "server/engine/prefix_cache.hpp"

#include <algorithm>
#include <new>

namespace vernier::serve {

namespace {

std::size_t common_length(std::span<const int> a, std::span<const int> b) {
  const auto [end, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::size_t>(end - a.begin());
}

}  // namespace

void PrefixCache::keep(std::span<const int> tokens, int sequence) {
  const auto covers = [&](const Entry& e) { return common_length(e.tokens, tokens) == tokens.size(); };
  if (most_ == 0 || tokens.size() < static_cast<std::size_t>(model_.page_tokens()) ||
      std::any_of(entries_.begin(), entries_.end(), covers)) {
    model_.close(sequence);
    return;
  }
  // An earlier turn of the same conversation is part of this one.
  std::erase_if(entries_, [&](const Entry& e) {
    const bool part = common_length(e.tokens, tokens) == e.tokens.size();
    if (part) model_.close(e.sequence);
    return part;
  });
  if (entries_.size() == most_) evict_one();
  try {
    entries_.push_back({{tokens.begin(), tokens.end()}, sequence});
  } catch (const std::bad_alloc&) {
    model_.close(sequence);
  }
}

PrefixCache::Match PrefixCache::find(std::span<const int> tokens) {
  std::size_t best = 0;
  auto at = entries_.end();
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    const std::size_t length = common_length(entry->tokens, tokens);
    if (length > best) best = length, at = entry;
  }
  if (best < static_cast<std::size_t>(model_.page_tokens())) return {};
  std::rotate(at, at + 1, entries_.end());
  return {entries_.back().sequence, static_cast<int>(best)};
}

bool PrefixCache::evict_one() {
  if (entries_.empty()) return false;
  model_.close(entries_.front().sequence);
  entries_.erase(entries_.begin());
  return true;
}

void PrefixCache::clear() {
  while (evict_one()) {
  }
}

}  // namespace vernier::serve
