// The core of byte-pair encoding: a table of merges and the loop that applies them to one word, lowest rank first, ties to the left.
// It knows ids only; what a symbol stands for, and where words end, is the tokenizer's business.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vernier::text {

/// Two neighbouring tokens and the token that they become. The merge of the lowest rank comes first; mostly the rank is the place in a
/// list.
struct Merge {
  int left = 0, right = 0, result = 0;
};

/// Merges by pair, in one open-addressed table. Immutable, so any number of threads may read it.
class MergeTable {
 public:
  static constexpr std::uint32_t none = 0xFFFFFFFF;
  struct Entry {
    std::uint32_t rank = none;
    int result = 0;
  };

  MergeTable() : MergeTable(std::span<const Merge>()) {}
  /// Where a pair comes twice, the later one counts, as in Hugging Face's loader. `ranks` has one for each merge; without it the rank is
  /// the place in the list. Needs ids >= 0.
  explicit MergeTable(std::span<const Merge> merges, std::span<const std::uint32_t> ranks = {});

  /// The merge of this pair; rank is `none` if there is none.
  Entry find(int left, int right) const;

 private:
  struct Slot {
    std::uint64_t pair = ~std::uint64_t{0};  // left in the high half; all ones marks a free slot
    Entry entry;
  };
  std::vector<Slot> slots_;  // a power of two, at most half full
};

/// Applies merges to words. Holds scratch memory between words, so use one per thread. O(n log n) in the length of a word.
class BpeMerger {
 public:
  /// Appends to `out` what is left of `word` when no merge applies. Needs fewer than 2^31 symbols.
  void merge(const MergeTable& table, std::span<const int> word, std::vector<int>& out);

 private:
  struct Symbol {
    int id;
    int previous, next;  // -1 at the ends; next == dead for a symbol that was merged into its left neighbour
    MergeTable::Entry with_next;
  };
  static constexpr int dead = -2;
  void look_up(const MergeTable& table, int at);

  std::vector<Symbol> symbols_;
  std::vector<std::uint64_t> heap_;  // rank in the high half, position in the low one: the smallest is the next merge
};

}  // namespace vernier::text
