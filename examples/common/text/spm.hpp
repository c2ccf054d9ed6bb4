// SentencePiece-style BPE as GGUF files carry it: no list of merges but a score per token, and of all neighbours whose joined text is a
// token the pair with the highest score merges first, ties to the left. Here such a vocabulary becomes a table of merges, once.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/text/bpe.hpp"

namespace vernier::text {

struct ScoredMerges {
  std::vector<Merge> merges;
  std::vector<std::uint32_t> ranks;  // of each merge: equal for equal scores, so that the leftmost pair wins
  // Characters that occur in tokens without being one. They can merge, so they have ids too: those from pieces.size() on.
  std::vector<std::string> part_characters;
};

/// All pairs that may merge. `in_model` says which pieces text can become; `known` has the id of each of those.
ScoredMerges merges_from_scores(const std::vector<std::string>& pieces, const std::vector<bool>& in_model, const std::vector<float>& scores,
                                const std::unordered_map<std::string_view, int>& known);

}  // namespace vernier::text
