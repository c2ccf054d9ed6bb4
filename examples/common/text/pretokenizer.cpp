// Runs the steps of a pre-tokenizer one after the other, each over the words of the one before.
#include "common/text/pretokenizer.hpp"

#include <utility>

#include "common/text/unicode.hpp"

namespace vernier::text {
namespace {

using Words = std::vector<TextRange>;

void split_digits(std::string_view text, TextRange range, bool runs, Words& out) {
  std::size_t start = range.begin;
  bool in_run = false;
  for (std::size_t at = range.begin; at < range.end;) {
    const Utf8Char c = utf8_at(text.substr(0, range.end), at);
    const bool number = char_class(c.value) == CharClass::number;
    if (at > start && (number != in_run || (number && !runs))) {
      out.push_back({start, at});
      start = at;
    }
    in_run = number;
    at += c.bytes;
  }
  if (start < range.end) out.push_back({start, range.end});
}

/// Matches and the gaps between them, in order; `matched` says which is which.
void find_matches(std::string_view text, TextRange range, const SplitStep& step, Words& parts, std::vector<bool>& matched) {
  const std::string_view word = text.substr(range.begin, range.end - range.begin);
  const auto add = [&](std::size_t begin, std::size_t end, bool match) {
    if (begin == end) return;
    parts.push_back({range.begin + begin, range.begin + end});
    matched.push_back(match != step.invert);
  };
  std::size_t at = 0;
  while (at < word.size()) {
    const TextRange match = step.pattern->find(word, at);
    if (match.begin == std::string_view::npos) break;
    add(at, match.begin, false);
    add(match.begin, match.end, true);
    at = match.end;
  }
  add(at, word.size(), false);
}

void split_pattern(std::string_view text, TextRange range, const SplitStep& step, Words& out) {
  Words parts;
  std::vector<bool> matched;
  find_matches(text, range, step, parts, matched);
  bool previous = false;  // was the part before this one a match?
  for (std::size_t i = 0; i < parts.size(); ++i) {
    bool joins = false;  // does this part extend the last word?
    switch (step.behavior) {
      case SplitBehavior::isolated: break;
      case SplitBehavior::removed:
        if (matched[i]) continue;
        break;
      case SplitBehavior::merged_with_previous: joins = i > 0 && matched[i] && !previous; break;
      case SplitBehavior::merged_with_next: joins = i > 0 && !matched[i] && previous; break;
      case SplitBehavior::contiguous: joins = i > 0 && matched[i] == previous; break;
    }
    if (joins)
      out.back().end = parts[i].end;
    else
      out.push_back(parts[i]);
    previous = matched[i];
  }
}

}  // namespace

void split_words(std::string_view text, TextRange range, const std::vector<SplitStep>& steps, Words& words, Words& scratch) {
  words.clear();
  if (range.begin < range.end) words.push_back(range);
  for (const SplitStep& step : steps) {
    scratch.clear();
    for (const TextRange word : words) {
      const std::string_view upto = text.substr(0, word.end);
      switch (step.kind) {
        case SplitStep::Kind::gpt2:
        case SplitStep::Kind::llama3:
          for (std::size_t at = word.begin; at < word.end;) {
            const std::size_t end =
                step.kind == SplitStep::Kind::gpt2 ? gpt2_word_end(upto, at) : llama3_word_end(upto, at, step.max_digits);
            scratch.push_back({at, end});
            at = end;
          }
          break;
        case SplitStep::Kind::digits: split_digits(text, word, false, scratch); break;
        case SplitStep::Kind::digit_runs: split_digits(text, word, true, scratch); break;
        case SplitStep::Kind::pattern: split_pattern(text, word, step, scratch); break;
      }
    }
    std::swap(words, scratch);
  }
}

}  // namespace vernier::text
