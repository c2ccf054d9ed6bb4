// The scanners for the patterns of GPT-2 and Llama 3. Each comment names the alternative of the pattern that the lines stand for; the
// order is the pattern's, since the first alternative that matches wins.
#include "common/text/pretokenizer.hpp"
#include "common/text/unicode.hpp"

namespace vernier::text {
namespace {

struct Classified {
  CharClass kind;
  std::size_t end;
};

Classified classify(std::string_view text, std::size_t at) {
  const Utf8Char c = utf8_at(text, at);
  return {char_class(c.value), at + c.bytes};
}

bool is_newline(char c) { return c == '\r' || c == '\n'; }

/// The end of the longest run of `kind` from `at`.
std::size_t run_end(std::string_view text, std::size_t at, CharClass kind) {
  while (at < text.size()) {
    const Classified c = classify(text, at);
    if (c.kind != kind) break;
    at = c.end;
  }
  return at;
}

/// 's|'t|'re|'ve|'m|'ll|'d at `at`, which holds an apostrophe: its end, or `at`. With any_case, U+017F counts as an s, as it does in
/// every engine that folds case by Unicode.
std::size_t contraction_end(std::string_view text, std::size_t at, bool any_case) {
  const auto letter = [&](std::size_t i) -> char {
    if (i >= text.size()) return 0;
    const char c = text[i];
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = letter(at + 1), second = letter(at + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  if ((first == 'r' || first == 'v') && second == 'e') return at + 3;
  if (first == 'l' && second == 'l') return at + 3;
  if (any_case && text.substr(at + 1, 2) == "\u017F") return at + 3;
  return at;
}

/// \s+(?!\S)|\s+ at `at`, which holds white space: all of the run, or all but its last character when a word follows.
std::size_t space_end(std::string_view text, std::size_t at) {
  std::size_t last = at, end = at;
  while (end < text.size()) {
    const Classified c = classify(text, end);
    if (c.kind != CharClass::space) break;
    last = end;
    end = c.end;
  }
  return end == text.size() || last == at ? end : last;
}

}  // namespace

std::size_t gpt2_word_end(std::string_view text, std::size_t at) {
  if (text[at] == '\'') {
    const std::size_t end = contraction_end(text, at, false);
    if (end != at) return end;
  }
  // " ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
  const std::size_t start = text[at] == ' ' && at + 1 < text.size() ? at + 1 : at;
  const Classified first = classify(text, start);
  if (first.kind != CharClass::space) return run_end(text, first.end, first.kind);
  return space_end(text, at);
}

std::size_t llama3_word_end(std::string_view text, std::size_t at, int max_digits) {
  if (text[at] == '\'') {
    const std::size_t end = contraction_end(text, at, true);
    if (end != at) return end;
  }
  const Classified first = classify(text, at);
  // [^\r\n\p{L}\p{N}]?\p{L}+
  if (first.kind == CharClass::letter) return run_end(text, first.end, CharClass::letter);
  if (first.kind != CharClass::number && !is_newline(text[at])) {
    const std::size_t end = run_end(text, first.end, CharClass::letter);
    if (end != first.end) return end;
  }
  // \p{N}{1,3}
  if (first.kind == CharClass::number) {
    std::size_t end = first.end;
    for (int count = 1; count < max_digits && end < text.size(); ++count) {
      const Classified next = classify(text, end);
      if (next.kind != CharClass::number) break;
      end = next.end;
    }
    return end;
  }
  // " ?[^\s\p{L}\p{N}]+[\r\n]*"
  const std::size_t start = text[at] == ' ' ? at + 1 : at;
  std::size_t end = run_end(text, start, CharClass::other);
  if (end != start) {
    while (end < text.size() && is_newline(text[end])) ++end;
    return end;
  }
  // \s*[\r\n]+, else \s+(?!\S)|\s+
  const std::size_t spaces = run_end(text, at, CharClass::space);
  for (std::size_t i = spaces; i > at; --i)
    if (is_newline(text[i - 1])) return i;
  return space_end(text, at);
}

}  // namespace vernier::text
