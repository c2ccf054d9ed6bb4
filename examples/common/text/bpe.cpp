// The merge table and the merge loop: a linked list of symbols and a heap of candidate merges, stale ones skipped when they surface.
#include "common/text/bpe.hpp"

#include <algorithm>
#include <bit>
#include <functional>

namespace vernier::text {
namespace {

std::uint64_t pair_key(int left, int right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

std::size_t slot_of(std::uint64_t key, std::size_t mask) {
  key *= 0x9E3779B97F4A7C15u;  // Fibonacci hashing; the upper half is the well-mixed one
  return static_cast<std::size_t>(key >> 32 ^ key >> 7) & mask;
}

}  // namespace

MergeTable::MergeTable(std::span<const Merge> merges, std::span<const std::uint32_t> ranks) : slots_(std::bit_ceil(merges.size() * 2 + 2)) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const std::uint64_t key = pair_key(merges[i].left, merges[i].right);
    std::size_t at = slot_of(key, mask);
    while (slots_[at].pair != key && slots_[at].entry.rank != none) at = (at + 1) & mask;
    slots_[at] = {key, {ranks.empty() ? static_cast<std::uint32_t>(i) : ranks[i], merges[i].result}};
  }
}

MergeTable::Entry MergeTable::find(int left, int right) const {
  const std::size_t mask = slots_.size() - 1;
  const std::uint64_t key = pair_key(left, right);
  for (std::size_t at = slot_of(key, mask);; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.pair == key) return slot.entry;
    if (slot.entry.rank == none) return {};
  }
}

void BpeMerger::look_up(const MergeTable& table, int at) {
  Symbol& symbol = symbols_[static_cast<std::size_t>(at)];
  symbol.with_next = symbol.next < 0 ? MergeTable::Entry{} : table.find(symbol.id, symbols_[static_cast<std::size_t>(symbol.next)].id);
}

void BpeMerger::merge(const MergeTable& table, std::span<const int> word, std::vector<int>& out) {
  const int count = static_cast<int>(word.size());
  symbols_.resize(word.size());
  heap_.clear();
  const auto candidate = [this](int at) {
    const std::uint32_t rank = symbols_[static_cast<std::size_t>(at)].with_next.rank;
    if (rank == MergeTable::none) return false;
    heap_.push_back(static_cast<std::uint64_t>(rank) << 32 | static_cast<std::uint32_t>(at));
    return true;
  };
  const auto push = [&](int at) {
    if (candidate(at)) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  };
  for (int i = 0; i < count; ++i)
    symbols_[static_cast<std::size_t>(i)] = {word[static_cast<std::size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1, {}};
  for (int i = 0; i < count; ++i) look_up(table, i), candidate(i);
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  while (!heap_.empty()) {
    const std::uint64_t top = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    heap_.pop_back();
    const int at = static_cast<int>(static_cast<std::uint32_t>(top));
    Symbol& symbol = symbols_[static_cast<std::size_t>(at)];
    if (symbol.next < 0 || symbol.with_next.rank != top >> 32) continue;  // merged away, or a neighbour has changed since
    Symbol& right = symbols_[static_cast<std::size_t>(symbol.next)];
    symbol.id = symbol.with_next.result;
    symbol.next = right.next;
    right.next = dead;
    if (symbol.next >= 0) symbols_[static_cast<std::size_t>(symbol.next)].previous = at;
    look_up(table, at), push(at);
    if (symbol.previous >= 0) look_up(table, symbol.previous), push(symbol.previous);
  }
  for (int at = count > 0 ? 0 : -1; at >= 0; at = symbols_[static_cast<std::size_t>(at)].next)
    out.push_back(symbols_[static_cast<std::size_t>(at)].id);
}

}  // namespace vernier::text
