// The text of one answer as it grows: whole UTF-8 characters only, stop strings found however tokens cut them, and nothing released
// that may still turn out to be part of one. Not a tokenizer: it is given bytes.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/generation.hpp"

namespace vernier::serve {

/// Finds the first of several texts to be complete in a stream of bytes (Knuth, Morris and Pratt, one automaton per text).
class StopMatcher {
 public:
  /// None of the texts may be empty.
  explicit StopMatcher(std::vector<std::string> stops);

  /// The index of the stop that `byte` completes (the longest, if several), or -1.
  int push(char byte);

  /// How many of the last bytes may be the start of a stop.
  std::size_t held() const;

  const std::string& stop(int index) const { return patterns_[static_cast<std::size_t>(index)].text; }

 private:
  struct Pattern {
    std::string text;
    std::vector<std::size_t> shorter;  // [i]: the longest proper prefix of text that ends text[0, i + 1)
    std::size_t matched = 0;
  };
  std::vector<Pattern> patterns_;
};

/// Moves the whole characters at the front of `bytes` to `out`, broken ones as U+FFFD. An incomplete character at the end stays, unless
/// `final`. Returns how many characters were broken.
int take_characters(std::string& bytes, bool final, std::string& out);

/// See the top of the file.
class AnswerText {
 public:
  explicit AnswerText(std::vector<std::string> stops) : matcher_(std::move(stops)) {}

  /// What may be sent now. After `stopped`, the answer is over: the text ends before the stop string.
  struct Released {
    std::string text{};
    std::vector<GeneratedToken> tokens{};  // those whose text is out with this
    bool stopped = false;
    std::string stop{};
  };

  Released push(GeneratedToken token);

  /// The answer has ended otherwise: everything that was held back.
  Released flush();

 private:
  struct Held {
    GeneratedToken token;
    std::size_t begin = 0, end = 0;  // of its text, in bytes of the whole answer
  };

  Released grow(bool final);
  void release(std::size_t until, bool over, Released& out);

  StopMatcher matcher_;
  std::string bytes_;         // the start of a character
  std::string text_;          // matched against the stops, not yet released
  std::size_t released_ = 0;  // bytes of the whole answer
  std::deque<Held> tokens_;
};

}  // namespace vernier::serve
