// The text of an answer: UTF-8 and stop strings however the bytes are cut.
#include <gtest/gtest.h>

#include "server/engine/answer_text.hpp"

namespace vernier::serve {
namespace {

struct Result {
  std::string text, stop;
  std::vector<int> tokens;
  bool stopped = false;
};

Result feed(const std::vector<std::string>& pieces, std::vector<std::string> stops) {
  AnswerText text(std::move(stops));
  Result r;
  const auto take = [&](AnswerText::Released released) {
    r.text += released.text;
    for (const auto& token : released.tokens) r.tokens.push_back(token.id);
    r.stopped = released.stopped;
    r.stop = released.stop;
  };
  for (std::size_t i = 0; i < pieces.size() && !r.stopped; ++i) take(text.push({.id = static_cast<int>(i), .bytes = pieces[i]}));
  if (!r.stopped) take(text.flush());
  return r;
}

std::vector<std::string> bytes_of(const std::string& s) {
  std::vector<std::string> out;
  for (char c : s) out.emplace_back(1, c);
  return out;
}

TEST(AnswerText, HoldsBackWhatMayBecomeAStop) {
  AnswerText text({"END"});
  EXPECT_EQ(text.push({.bytes = "abc"}).text, "abc");
  EXPECT_EQ(text.push({.bytes = "dE"}).text, "d");
  EXPECT_EQ(text.push({.bytes = "N"}).text, "");
  EXPECT_EQ(text.push({.bytes = "x"}).text, "ENx");
  EXPECT_EQ(text.push({.bytes = "EN"}).text, "");
  EXPECT_EQ(text.flush().text, "EN");
}

TEST(AnswerText, StopsDoNotDependOnTheCut) {
  const std::string text = "one ababac two";
  const std::vector<std::vector<std::string>> stop_lists{{"abac"}, {"bac", "ababac"}, {"b"}, {"c two", "zzz"}, {"nothing"}, {"o", "one"}};
  for (const auto& stops : stop_lists) {
    const Result by_byte = feed(bytes_of(text), stops);
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      const Result halves = feed({text.substr(0, cut), text.substr(cut)}, stops);
      EXPECT_EQ(halves.text, by_byte.text);
      EXPECT_EQ(halves.stop, by_byte.stop);
    }
    const Result whole = feed({text}, stops);
    EXPECT_EQ(whole.text, by_byte.text);
    EXPECT_EQ(whole.stop, by_byte.stop);
  }
  EXPECT_EQ(feed({text}, {"abac"}).text, "one ab");
  EXPECT_EQ(feed({text}, {"bac", "ababac"}).stop, "ababac");  // both complete together: the longer
  EXPECT_EQ(feed({text}, {"nothing"}).text, text);
}

TEST(AnswerText, CharactersStayWhole) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
  AnswerText by_byte({});
  std::string out;
  for (const std::string& piece : bytes_of(text)) {
    const std::string released = by_byte.push({.bytes = piece}).text;
    EXPECT_TRUE(released.empty() || (static_cast<unsigned char>(released[0]) & 0xC0u) != 0x80u) << "starts inside a character";
    out += released;
  }
  EXPECT_EQ(out, text);
  EXPECT_EQ(by_byte.flush().text, "");
}

TEST(AnswerText, BrokenBytesBecomeReplacementCharacters) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(feed({"a\x80"
                  "b"},
                 {})
                .text,
            "a" + bad + "b");
  EXPECT_EQ(feed({"\xC3", "x"}, {}).text, bad + "x");
  EXPECT_EQ(feed({"\xE2\x82"}, {}).text, bad);                            // the start of a character at the end: one
  EXPECT_EQ(feed({"\xC0\xAF"}, {}).text, bad + bad);                      // overlong
  EXPECT_EQ(feed({"\xED\xA0\x80"}, {}).text, bad + bad + bad);            // a surrogate
  EXPECT_EQ(feed({"\xF4\x90\x80\x80"}, {}).text, bad + bad + bad + bad);  // beyond U+10FFFF
  EXPECT_EQ(feed({"\xF0\x9F\x98", "\xE2\x82\xAC"}, {}).text, bad + "\xE2\x82\xAC");
}

TEST(AnswerText, TokensComeWithTheirText) {
  AnswerText text({"stop"});
  EXPECT_EQ(text.push({.id = 0, .bytes = "\xC3"}).tokens.size(), 0u);  // half a character
  EXPECT_EQ(text.push({.id = 1, .bytes = "\xA9"}).tokens.size(), 2u);
  EXPECT_EQ(text.push({.id = 2, .bytes = "as"}).tokens.size(), 0u);  // the s may become a stop
  EXPECT_EQ(text.push({.id = 3, .bytes = "t"}).tokens.size(), 0u);
  EXPECT_EQ(text.push({.id = 4, .bytes = "!"}).tokens.size(), 3u);
  const Result cut = feed({"one", " two", "st", "op"}, {"stop"});
  EXPECT_EQ(cut.text, "one two");
  EXPECT_EQ(cut.tokens, (std::vector<int>{0, 1}));
  EXPECT_EQ(feed({"one", " tst", "op"}, {"stop"}).tokens, (std::vector<int>{0, 1}));
  EXPECT_EQ(feed({"a", "", "st"}, {"stop"}).tokens, (std::vector<int>{0, 1, 2}));
}

}  // namespace
}  // namespace vernier::serve
