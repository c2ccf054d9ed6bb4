// What can be seen in a prompt without a model: one pass over the bytes, linear, no memory. Features are evidence of what a prompt is
// about, not of how hard it is; docs/routing.md says what that is worth.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "vernier/router/words.hpp"

namespace vernier {

/// Each feature is in [0, 1]; counts are of the whole prompt.
struct Features {
  float entropy = 0;                   // of the bytes: 0 at 3 bits and below, 1 at 5.5 and above; English prose is near 4.3, code near 5
  float lexical_density = 0;           // words that are no function words: 0 at 30 % and below (small talk), 1 at 65 % (dense prose)
  float code = 0, json = 0, math = 0;  // 0 without any sign, 0.5 with one unit of signs, towards 1 with more
  float entropy_bits = 0;              // Shannon entropy in bits per byte, [0, 8]
  std::size_t bytes = 0, words = 0, function_words = 0;

  friend constexpr bool operator==(const Features&, const Features&) = default;
};

namespace detail {

/// How much a sign counts; one unit makes a feature 0.5. Set by hand on a few dozen prompts, not calibrated.
inline constexpr float word_unit = 0.34f, operator_unit = 0.25f, line_unit = 0.34f, identifier_unit = 0.2f, fence_unit = 1.0f;

/// What a byte is, as bits: the scan asks several questions of each.
enum ByteKind : unsigned char { word_byte_kind = 1, upper_kind = 2, lower_kind = 4, digit_kind = 8, operator_kind = 16, space_kind = 32 };

inline constexpr std::array<unsigned char, 256> byte_kinds = [] {
  std::array<unsigned char, 256> kinds{};
  for (int c = 'a'; c <= 'z'; ++c) kinds[static_cast<std::size_t>(c)] = word_byte_kind | lower_kind;
  for (int c = 'A'; c <= 'Z'; ++c) kinds[static_cast<std::size_t>(c)] = word_byte_kind | upper_kind;
  for (int c = '0'; c <= '9'; ++c) kinds[static_cast<std::size_t>(c)] = word_byte_kind | digit_kind;
  for (std::size_t c = 0x80; c < 256; ++c) kinds[c] = word_byte_kind;
  kinds['_'] = word_byte_kind;
  for (char c : {'+', '-', '*', '/', '=', '^', '<', '>'}) kinds[static_cast<unsigned char>(c)] = operator_kind;
  for (char c : {' ', '\t', '\r', '\n'}) kinds[static_cast<unsigned char>(c)] = space_kind;
  return kinds;
}();

/// Sums of signs while the bytes go by.
class PromptScan {
 public:
  /// Takes all of the text. Once per object.
  void run(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto c = static_cast<unsigned char>(text[i]);
      ++histogram_[c];
      const unsigned char kind = byte_kinds[c];
      if (kind & word_byte_kind) {
        word_byte(c, kind);
      } else {
        if (length_ != 0) end_word();
        if (!(kind & space_kind)) sign(c, kind);
        if (c == '\n') end_line();
      }
      before_ = previous_;
      previous_ = c;
      if (!(kind & space_kind)) solid_ = c;
    }
    if (length_ != 0) end_word();
    end_line();
  }

  /// What was seen; `bytes` is the length of the text.
  Features features(std::size_t bytes) const {
    Features out{.bytes = bytes, .words = words_, .function_words = function_words_};
    if (bytes == 0) return out;
    // H = log2(n) - sum(c * log2(c)) / n, so that each count needs one logarithm; clamped because rounding may leave -1e-16.
    double sum = 0;
    for (std::uint32_t count : histogram_)
      if (count != 0) sum += count * std::log2(static_cast<double>(count));
    const auto total = static_cast<double>(bytes);
    out.entropy_bits = static_cast<float>(std::max(0.0, std::log2(total) - sum / total));
    out.entropy = std::clamp((out.entropy_bits - 3.0f) / 2.5f, 0.0f, 1.0f);
    if (words_ != 0) {
      const float content = 1.0f - static_cast<float>(function_words_) / static_cast<float>(words_);
      out.lexical_density = std::clamp((content - 0.30f) / 0.35f, 0.0f, 1.0f);
    }
    out.code = saturate(code_);
    out.json = saturate(json_);
    out.math = saturate(math_);
    return out;
  }

 private:
  // Presence counts more than frequency: a long prompt with one formula is about that formula.
  static float saturate(float signs) { return signs / (1.0f + signs); }

  void word_byte(unsigned char c, unsigned char kind) {
    // A number that follows an operator that follows a number, as in "3 + 4"; "well-known" and "3 May" have no such thing.
    if (length_ == 0) {
      if (operator_behind_number_ && (kind & digit_kind) && (byte_kinds[solid_] & operator_kind)) math_ += operator_unit;
      operator_behind_number_ = false;
    } else {
      camel_ = camel_ || ((kind & upper_kind) && (byte_kinds[previous_] & lower_kind));
      snake_ = snake_ || c == '_';
      if (c == 0x88 && previous_ == 0xE2) math_ += operator_unit;  // U+2200 to U+223F: sums, roots, element of, infinity
    }
    letters_ = letters_ || (!(kind & digit_kind) && c != '_');
    // Only ASCII is folded: all words of the table are ASCII.
    hash_ = hash_step(hash_, kind & upper_kind ? static_cast<unsigned char>(c | 0x20) : c);
    ++length_;
  }

  void end_word() {
    if (letters_) {
      ++words_;
      switch (classify(hash_)) {
        case WordClass::function: ++function_words_; break;
        case WordClass::code: code_ += word_unit; break;
        case WordClass::json: json_ += word_unit; break;
        case WordClass::math: math_ += word_unit; break;
        case WordClass::other: break;
      }
      if (snake_ || camel_) code_ += identifier_unit;
    }
    after_number_ = !letters_;
    hash_ = hash_start;
    length_ = 0;
    letters_ = snake_ = camel_ = false;
  }

  // A visible byte that belongs to no word.
  void sign(unsigned char c, unsigned char kind) {
    const unsigned char p = previous_;
    if (kind & operator_kind) {
      operator_behind_number_ = after_number_ && !(byte_kinds[solid_] & operator_kind);
      if (c == '=' && (p == '=' || p == '!' || p == '+' || p == '-' || p == '<' || p == '>')) code_ += operator_unit;
      if (c == '>' && (p == '-' || p == '=')) code_ += operator_unit;
      if (c == '/' && p == '/' && before_ != ':') code_ += operator_unit;  // a comment, not the start of an address
      if (c == '^') math_ += operator_unit / 2;
      return;
    }
    // Doubled signs, calls without arguments, fences of Markdown.
    after_number_ = false;
    if (c == p && (c == ':' || c == '&' || c == '|')) code_ += operator_unit;
    if (c == ')' && p == '(') code_ += operator_unit;
    if (c == '`' && p == '`' && before_ == '`') code_ += fence_unit;
    if (c == ':' && solid_ == '"') json_ += operator_unit;  // "key":
    if ((c == '"' || c == '{') && (solid_ == '{' || solid_ == '[')) json_ += operator_unit;
    if (c == '\\') math_ += operator_unit / 2;  // commands of TeX
  }

  // Statements end in a semicolon, blocks in a brace; prose lines in neither.
  void end_line() {
    if (solid_ == ';' || solid_ == '{' || solid_ == '}') code_ += line_unit;
    solid_ = 0;
  }

  std::array<std::uint32_t, 256> histogram_{};
  float code_ = 0, json_ = 0, math_ = 0;
  std::size_t words_ = 0, function_words_ = 0, length_ = 0;
  std::uint32_t hash_ = hash_start;
  unsigned char previous_ = 0, before_ = 0, solid_ = 0;  // the last bytes; the last one of this line that is no space
  bool letters_ = false, snake_ = false, camel_ = false;
  bool after_number_ = false, operator_behind_number_ = false;
};

}  // namespace detail

/// Reads the prompt once. Any bytes will do; text need not be valid UTF-8.
inline Features extract_features(std::string_view prompt) {
  detail::PromptScan scan;
  scan.run(prompt);
  return scan.features(prompt.size());
}

}  // namespace vernier
