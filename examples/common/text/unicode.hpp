// UTF-8 and the character classes that tokenizers split by, over ICU. Not a general text library: case and lines are the template's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vernier::text {

/// One character of a text that may be broken. A sequence that is no UTF-8 reads as U+FFFD and is as long as its maximal subpart
/// (Unicode 15, section 3.9), so that replacing it gives what Rust, Python and browsers give.
struct Utf8Char {
  enum class State : std::uint8_t { valid, invalid, truncated };  // truncated: the text ends inside a sequence that was valid so far
  char32_t value = 0;
  std::uint8_t bytes = 1;
  State state = State::valid;
};

/// The character at byte `at`. Needs at < text.size().
Utf8Char utf8_at(std::string_view text, std::size_t at);
/// The start of the character that ends at byte `end`. Needs 0 < end <= text.size(); a broken sequence gives its last byte.
std::size_t utf8_before(std::string_view text, std::size_t end);
void append_utf8_char(std::string& out, char32_t value);
bool is_utf8(std::string_view text);

/// The classes of the pre-tokenizers' patterns: \p{L}, \p{N}, \s (White_Space) and everything else, broken bytes included.
enum class CharClass : std::uint8_t { other, letter, number, space };
CharClass char_class(char32_t c);
/// \w: alphabetic, mark, decimal digit, connector or join control.
bool is_word_char(char32_t c);

enum class Normalization : std::uint8_t { nfc, nfd, nfkc, nfkd };

}  // namespace vernier::text
