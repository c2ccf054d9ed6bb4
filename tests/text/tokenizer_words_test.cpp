// The scanners against the patterns that they stand for, run by PCRE2, on random mixtures of everything the patterns tell apart.
#include <gtest/gtest.h>

#include <random>

#include "common/text/pretokenizer.hpp"
#include "common/text/unicode.hpp"

namespace vernier::text {
namespace {

using Words = std::vector<TextRange>;

std::string random_text(std::mt19937& bits) {
  static const std::vector<std::string> atoms = {
      "'",       "'s",      "'S",     "'t",     "'re",    "'RE",    "'ve",    "'m",     "'ll",    "'lL",    "'d",     "'x",
      "'\u017f", "\u2019s", "a",      "b",      "Z",      "s",      "ll",     "\u00e9", "\u0301", "\u65e5", "\u0639", "\u01c5",
      "1",       "23",      "456",    "\u00bd", "\u2167", "\u0663", "!",      "?",      "_",      "-",      "$",      "\U0001f600",
      "\u200d",  "\u200b",  "\ufeff", "\u180e", "\x1c",   "\x1f",   " ",      "  ",     "\n",     "\r",     "\r\n",   "\t",
      "\v",      "\f",      "\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", std::string(1, '\0')};
  std::string text;
  for (unsigned i = 0, count = 1 + bits() % 12; i < count; ++i) text += atoms[bits() % atoms.size()];
  return text;
}

void expect_same(const SplitStep& scanner, const std::string& pattern) {
  const SplitStep regex{.kind = SplitStep::Kind::pattern, .pattern = make_regex_pattern(pattern)};
  std::mt19937 bits(11);
  Words want, got, scratch;
  for (int i = 0; i < 20000; ++i) {
    const std::string text = random_text(bits);
    split_words(text, {0, text.size()}, {regex}, want, scratch);
    split_words(text, {0, text.size()}, {scanner}, got, scratch);
    ASSERT_EQ(got, want) << testing::PrintToString(text);
  }
}

TEST(TokenizerWords, Gpt2) {
  expect_same({.kind = SplitStep::Kind::gpt2}, R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)");
}

TEST(TokenizerWords, Llama3) {
  const std::string before = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)";
  const std::string after = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  expect_same({.kind = SplitStep::Kind::llama3, .max_digits = 3}, before + R"(\p{N}{1,3})" + after);
  expect_same({.kind = SplitStep::Kind::llama3, .max_digits = 1}, before + R"(\p{N})" + after);
}

TEST(TokenizerWords, Digits) {
  expect_same({.kind = SplitStep::Kind::digits}, R"(\p{N})");
  expect_same({.kind = SplitStep::Kind::digit_runs}, R"(\p{N}+)");
}

TEST(TokenizerWords, Behaviours) {
  const auto words = [](SplitBehavior behavior, bool invert = false) {
    const SplitStep step{.kind = SplitStep::Kind::pattern, .pattern = make_literal_pattern("-"), .behavior = behavior, .invert = invert};
    const std::string text = "-a--b-";
    Words out, scratch;
    split_words(text, {0, text.size()}, {step}, out, scratch);
    std::vector<std::string> parts;
    for (const TextRange word : out) parts.push_back(text.substr(word.begin, word.end - word.begin));
    return parts;
  };
  using Parts = std::vector<std::string>;  // as the `tokenizers` package cuts it
  EXPECT_EQ(words(SplitBehavior::isolated), (Parts{"-", "a", "-", "-", "b", "-"}));
  EXPECT_EQ(words(SplitBehavior::removed), (Parts{"a", "b"}));
  EXPECT_EQ(words(SplitBehavior::removed, true), (Parts{"-", "-", "-", "-"}));
  EXPECT_EQ(words(SplitBehavior::merged_with_previous), (Parts{"-", "a-", "-", "b-"}));
  EXPECT_EQ(words(SplitBehavior::merged_with_next), (Parts{"-a", "-", "-b", "-"}));
  EXPECT_EQ(words(SplitBehavior::contiguous), (Parts{"-", "a", "--", "b", "-"}));
}

TEST(TokenizerWords, WhiteSpaceOfPatternsIsUnicodes) {
  const auto pattern = make_regex_pattern(R"(\s)");
  for (char32_t c = 0; c < 0x3100; ++c) {
    std::string text;
    append_utf8_char(text, c);
    EXPECT_EQ(pattern->find(text, 0).begin == 0, char_class(c) == CharClass::space) << "U+" << std::hex << static_cast<unsigned>(c);
  }
}

}  // namespace
}  // namespace vernier::text
