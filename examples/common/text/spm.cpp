// The merge loop of SentencePiece-style BPE: candidates in a heap, looked up by their text.
#include "common/text/spm.hpp"

#include <algorithm>

#include "common/text/unicode.hpp"

namespace vernier::text {

void SpmMerger::consider(const ScoredVocabulary& vocabulary, std::string_view text, int left) {
  if (left < 0) return;
  const Symbol& symbol = symbols_[static_cast<std::size_t>(left)];
  if (symbol.next < 0) return;
  const std::uint32_t end = symbols_[static_cast<std::size_t>(symbol.next)].end;
  if (end - symbol.begin > vocabulary.longest) return;
  const auto found = vocabulary.tokens.find(text.substr(symbol.begin, end - symbol.begin));
  if (found == vocabulary.tokens.end()) return;
  heap_.push_back({found->second.score, left, end});
  std::push_heap(heap_.begin(), heap_.end());
}

const std::vector<SpmMerger::Token>& SpmMerger::merge(const ScoredVocabulary& vocabulary, std::string_view text) {
  symbols_.clear();
  heap_.clear();
  tokens_.clear();
  for (std::uint32_t at = 0; at < text.size();) {
    const std::uint32_t end = at + utf8_at(text, at).bytes;
    const int index = static_cast<int>(symbols_.size());
    symbols_.push_back({at, end, index - 1, end < text.size() ? index + 1 : -1});
    at = end;
  }
  for (int i = 0; i < static_cast<int>(symbols_.size()); ++i) consider(vocabulary, text, i);
  while (!heap_.empty()) {
    const Candidate top = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
    Symbol& left = symbols_[static_cast<std::size_t>(top.left)];
    // A symbol that was merged away is empty; one whose neighbour has changed no longer ends where the candidate says.
    if (left.begin == left.end || left.next < 0) continue;
    Symbol& right = symbols_[static_cast<std::size_t>(left.next)];
    if (right.end != top.end) continue;
    left.end = right.end;
    right.begin = right.end;
    left.next = right.next;
    if (left.next >= 0) symbols_[static_cast<std::size_t>(left.next)].previous = top.left;
    consider(vocabulary, text, left.previous);
    consider(vocabulary, text, top.left);
  }
  for (int at = symbols_.empty() ? -1 : 0; at >= 0; at = symbols_[static_cast<std::size_t>(at)].next) {
    const Symbol& symbol = symbols_[static_cast<std::size_t>(at)];
    const auto found = vocabulary.tokens.find(text.substr(symbol.begin, symbol.end - symbol.begin));
    tokens_.push_back({found == vocabulary.tokens.end() ? -1 : found->second.id, symbol.begin, symbol.end});
  }
  return tokens_;
}

}  // namespace vernier::text
