// SentencePiece-style BPE as GGUF files carry it: no list of merges, but a score per token; of all neighbours whose joined text is a
// token, the pair with the highest score merges first, ties to the left.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vernier::text {

/// The tokens that merging may produce, by spelling. Views must outlive it.
struct ScoredVocabulary {
  struct Entry {
    int id;
    float score;
  };
  std::unordered_map<std::string_view, Entry> tokens;
  std::size_t longest = 0;  // bytes
};

/// Cuts text into tokens. Holds scratch memory, so use one per thread. O(n log n) in the length of the text.
class SpmMerger {
 public:
  /// A stretch of the text; id is -1 for a character that is no token.
  struct Token {
    int id;
    std::uint32_t begin, end;
  };
  /// Needs text.size() < 2^31. The result is valid until the next call.
  const std::vector<Token>& merge(const ScoredVocabulary& vocabulary, std::string_view text);

 private:
  struct Symbol {
    std::uint32_t begin, end;
    int previous, next;  // -1 at the ends
  };
  struct Candidate {
    float score;
    int left;
    std::uint32_t end;  // where the merged text would end; differs once a neighbour has changed

    bool operator<(const Candidate& other) const { return score != other.score ? score < other.score : left > other.left; }
  };
  void consider(const ScoredVocabulary& vocabulary, std::string_view text, int left);

  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
  std::vector<Token> tokens_;
};

}  // namespace vernier::text
