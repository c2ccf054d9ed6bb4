// A trie over the added tokens, walked from every byte that starts one.
#include "common/text/tokenizer_added.hpp"

#include <algorithm>

namespace vernier::text {
namespace {

std::size_t strip_left(std::string_view text, std::size_t begin, std::size_t low) {
  while (begin > low) {
    const std::size_t before = utf8_before(text, begin);
    if (before < low || char_class(utf8_at(text, before).value) != CharClass::space) break;
    begin = before;
  }
  return begin;
}

std::size_t strip_right(std::string_view text, std::size_t end) {
  while (end < text.size()) {
    const Utf8Char c = utf8_at(text, end);
    if (char_class(c.value) != CharClass::space) break;
    end += c.bytes;
  }
  return end;
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  if (begin > 0 && is_word_char(utf8_at(text, utf8_before(text, begin)).value)) return false;
  return end == text.size() || !is_word_char(utf8_at(text, end).value);
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)), nodes_(1) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& text = tokens_[i].text;
    int node = 0;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      int child = step(node, byte);
      if (child < 0) {
        child = static_cast<int>(nodes_.size());
        nodes_.push_back({-1, -1, nodes_[static_cast<std::size_t>(node)].child, byte});
        nodes_[static_cast<std::size_t>(node)].child = child;
      }
      node = child;
    }
    if (text.empty()) continue;
    starts_[static_cast<unsigned char>(text[0])] = true;
    nodes_[static_cast<std::size_t>(node)].token = static_cast<int>(i);
  }
}

int AddedTokens::step(int node, unsigned char byte) const {
  int child = nodes_[static_cast<std::size_t>(node)].child;
  while (child >= 0 && nodes_[static_cast<std::size_t>(child)].byte != byte) child = nodes_[static_cast<std::size_t>(child)].next;
  return child;
}

/// The longest token at `at`; special ones must end by `trusted_end` (0 outside trusted text).
int AddedTokens::longest(std::string_view text, std::size_t at, std::size_t trusted_end) const {
  int found = -1;
  for (int node = 0; at < text.size(); ++at) {
    node = step(node, static_cast<unsigned char>(text[at]));
    if (node < 0) break;
    const int token = nodes_[static_cast<std::size_t>(node)].token;
    if (token >= 0 && (!tokens_[static_cast<std::size_t>(token)].special || at + 1 <= trusted_end)) found = token;
  }
  return found;
}

void AddedTokens::split(std::string_view text, std::span<const TextRange> trusted, std::vector<Section>& out) const {
  out.clear();
  std::size_t done = 0;
  auto range = trusted.begin();
  for (std::size_t at = tokens_.empty() ? text.size() : 0; at < text.size();) {
    if (!starts_[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    while (range != trusted.end() && range->end <= at) ++range;
    const int found = longest(text, at, range != trusted.end() && range->begin <= at ? range->end : 0);
    if (found < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<std::size_t>(found)];
    std::size_t begin = at, end = at + token.text.size();
    if (token.single_word && !stands_alone(text, begin, end)) {
      at = end;
      continue;
    }
    if (token.lstrip) begin = strip_left(text, begin, done);
    if (token.rstrip) end = strip_right(text, end);
    if (done < begin) out.push_back({{done, begin}, -1});
    out.push_back({{begin, end}, token.id});
    at = done = end;
  }
  if (done < text.size()) out.push_back({{done, text.size()}, -1});
}

}  // namespace vernier::text
