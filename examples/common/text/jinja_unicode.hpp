// Text as Python sees it: code points, white space, case and lines, over UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/text/jinja_text.hpp"

namespace vernier::text::jinja {

/// The code point at byte `at` and its length in bytes. Needs valid UTF-8 and at < text.size().
struct CodePoint {
  char32_t value;
  std::size_t bytes;
};
CodePoint code_point(std::string_view text, std::size_t at);
void append_utf8(std::string& out, char32_t value);
bool valid_utf8(std::string_view text);

/// str.isspace() of one character.
bool is_space(char32_t c);
bool is_printable(char32_t c);
bool is_alpha(char32_t c);
bool is_digit(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);

/// Number of code points, and the byte offset of the one with this index (the size of the text if beyond).
std::size_t count_code_points(std::string_view text);
std::size_t byte_offset(std::string_view text, std::size_t index);

/// First byte from `begin` that is no white space; one past the last such byte.
std::size_t skip_space(std::string_view text, std::size_t begin = 0);
std::size_t trim_space_end(std::string_view text);

enum class Case { upper, lower, title };
/// Full case mapping without locale, origin kept.
Text map_case(const Text& text, Case to);

/// Position of needle at or after `from`, npos if absent; linear in the worst case.
std::size_t find_text(std::string_view text, std::string_view needle, std::size_t from = 0);

/// Byte ranges of str.splitlines(keepends).
std::vector<Text::Range> split_lines(std::string_view text, bool keep_ends);

}  // namespace vernier::text::jinja
