// Finds added tokens in text: leftmost first, the longest at each place, special ones only where the text is trusted.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/text/tokenizer_spec.hpp"

namespace vernier::text {

class AddedTokens {
 public:
  /// A stretch of text that is the token `id`; id < 0 for the text between.
  struct Section {
    TextRange range;
    int id = -1;
  };

  AddedTokens() : AddedTokens(std::vector<AddedToken>()) {}
  /// The longest token bounds the work per byte of text.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }
  /// Cuts `text` into sections. `trusted` is sorted and does not overlap.
  void split(std::string_view text, std::span<const TextRange> trusted, std::vector<Section>& out) const;

 private:
  struct Node {
    int token = -1;             // index into tokens_ of what ends here
    int child = -1, next = -1;  // first child, next sibling
    unsigned char byte = 0;
  };
  int step(int node, unsigned char byte) const;
  int longest(std::string_view text, std::size_t at, std::size_t trusted_end) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  bool starts_[256] = {};
};

}  // namespace vernier::text
