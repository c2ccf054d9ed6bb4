// Keys and values of answers that have ended, kept for requests that begin with the same tokens: the next turn of a conversation, or the
// same instructions again. One per tier, as keys and values of one tier are not those of another. Used by the engine's thread alone.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "server/engine/tier_model.hpp"

namespace vernier::serve {

/// Compares tokens, never hashes, so it cannot mix up two prompts. Holds pages only as long as nobody needs them: see evict_one().
class PrefixCache {
 public:
  /// At most `entries` sequences; 0 keeps nothing.
  PrefixCache(TierModel& model, std::size_t entries) : model_(model), most_(entries) {}
  PrefixCache(PrefixCache&&) = default;
  ~PrefixCache() { clear(); }

  /// Takes over a sequence that holds `tokens`, or closes it if that is of no use.
  void keep(std::span<const int> tokens, int sequence);

  /// The longest common beginning with a kept sequence; tokens = 0 if it is shorter than a page.
  struct Match {
    int sequence = -1;
    int tokens = 0;
  };
  Match find(std::span<const int> tokens);

  /// Closes the sequence that was of no use for the longest time. False if there is none.
  bool evict_one();
  void clear();

 private:
  struct Entry {
    std::vector<int> tokens;
    int sequence = -1;
  };

  TierModel& model_;
  std::size_t most_;
  std::vector<Entry> entries_;  // the one used last is at the back
};

}  // namespace vernier::serve
