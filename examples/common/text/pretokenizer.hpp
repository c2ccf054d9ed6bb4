// Cuts text into words, inside which byte-pair encoding then works. The patterns of the model families that Vernier knows are scanners
// written by hand, linear in the text whatever it holds; other patterns go to PCRE2.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vernier::text {

/// Bytes [begin, end) of a text.
struct TextRange {
  std::size_t begin = 0, end = 0;
  friend bool operator==(const TextRange&, const TextRange&) = default;
};

/// What becomes of a match of a split pattern, in Hugging Face's words.
enum class SplitBehavior { isolated, removed, merged_with_previous, merged_with_next, contiguous };

/// A compiled pattern; immutable and shared by all threads. The implementation (PCRE2, or a plain string) is in the .cpp.
class SplitPattern {
 public:
  virtual ~SplitPattern() = default;
  /// The first match that starts at or after `from`, empty matches skipped; begin == npos if there is none.
  virtual TextRange find(std::string_view text, std::size_t from) const = 0;
};

/// A regular expression in the syntax of tokenizer.json. Throws Error with PCRE2's message when it does not compile.
std::shared_ptr<const SplitPattern> make_regex_pattern(const std::string& pattern);
std::shared_ptr<const SplitPattern> make_literal_pattern(std::string literal);

/// One step; each refines the words that the step before it made.
struct SplitStep {
  enum class Kind {
    gpt2,        // GPT-2: contractions in lower case, runs of letters, of numbers, of others, each with one space before
    llama3,      // Llama 3: contractions in any case, up to max_digits numbers, lines kept together
    digits,      // every number on its own
    digit_runs,  // runs of numbers on their own
    pattern      // anything else
  };
  Kind kind = Kind::gpt2;
  int max_digits = 3;  // llama3: 3; Qwen2 uses the same pattern with 1
  std::shared_ptr<const SplitPattern> pattern = {};
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;  // the gaps count as matches
};

/// Replaces `words` by the words of text[range], in order. `scratch` is any vector to be reused between calls.
void split_words(std::string_view text, TextRange range, const std::vector<SplitStep>& steps, std::vector<TextRange>& words,
                 std::vector<TextRange>& scratch);

/// The scanners themselves: the end of the word that starts at `at`. Need at < text.size().
std::size_t gpt2_word_end(std::string_view text, std::size_t at);
std::size_t llama3_word_end(std::string_view text, std::size_t at, int max_digits);

}  // namespace vernier::text
