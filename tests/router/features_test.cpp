// Features of prompts: entropy against its definition, each sign alone, and any bytes at all.
#include "vernier/router/features.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <iostream>
#include <random>
#include <string>

namespace vernier {
namespace {

double entropy_by_definition(const std::string& text) {
  double counts[256] = {}, bits = 0;
  for (char c : text) ++counts[static_cast<unsigned char>(c)];
  for (double count : counts)
    if (count != 0) bits -= count / static_cast<double>(text.size()) * std::log2(count / static_cast<double>(text.size()));
  return bits;
}

TEST(Features, EntropyIsShannons) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  // float rounding of a value up to 8: half an ulp is 2^-22; the sums are in double.
  const double bound = 1e-6;
  for (const std::string& text :
       {std::string("a"), std::string("aaaa"), std::string("abab"), std::string("hello world"), all, all + all + "x"})
    EXPECT_NEAR(extract_features(text).entropy_bits, entropy_by_definition(text), bound);
  EXPECT_EQ(extract_features(all).entropy, 1.0f);
  EXPECT_EQ(extract_features("aaaaaaaaaaaa").entropy, 0.0f);
}

TEST(Features, LexicalDensityCountsContentWords) {
  const Features chat = extract_features("How are you? What do you like about it?");
  EXPECT_EQ(chat.words, 9u);
  EXPECT_EQ(chat.function_words, 9u);
  EXPECT_EQ(chat.lexical_density, 0.0f);
  EXPECT_EQ(extract_features("Photosynthesis converts sunlight, carbon dioxide, water.").lexical_density, 1.0f);
  EXPECT_EQ(extract_features("THE The the").function_words, 3u);
  EXPECT_EQ(extract_features("don't I'll").function_words, 3u) << "don and t, I and ll; only `don` is unknown";
  EXPECT_EQ(extract_features("12 34 5_6").words, 0u) << "numbers are no words";
}

TEST(Features, EachSignOfCodeCounts) {
  EXPECT_EQ(extract_features("Tell me about the sea, please.").code, 0.0f);
  for (const char* text :
       {"nullptr", "a == b", "a->b", "std::x", "x += y", "f()", "// note", "snake_case", "camelCase", "a && b", "end;\n", "{\n"})
    EXPECT_GT(extract_features(text).code, 0.0f) << text;
  EXPECT_GE(extract_features("```").code, 0.5f);
  EXPECT_EQ(extract_features("see https://example.org").code, extract_features("see https").code) << "an address is no comment";
  EXPECT_GT(extract_features("a == b; c == d").code, extract_features("a == b").code);
}

TEST(Features, EachSignOfJsonAndMathCounts) {
  for (const char* text : {"{\"a\"", "\"a\": 1", "json", "[{"}) EXPECT_GT(extract_features(text).json, 0.0f) << text;
  EXPECT_EQ(extract_features("He said: \"no\".").json, 0.0f);
  for (const char* text : {"theorem", "3 + 4", "17*2", "x^2", "\\frac", "\xE2\x88\x91", "2 = 2"})
    EXPECT_GT(extract_features(text).math, 0.0f) << text;
  for (const char* text : {"2024", "well-known", "either/or", "on 3 May"}) EXPECT_EQ(extract_features(text).math, 0.0f) << text;
}

TEST(Features, AnyBytesGiveFeaturesInRange) {
  std::mt19937 bits(7);
  for (int round = 0; round < 500; ++round) {
    std::string text(bits() % 300, '\0');
    for (char& c : text) c = static_cast<char>(bits() % (round % 2 == 0 ? 256 : 64));
    const Features f = extract_features(text);
    EXPECT_EQ(f.bytes, text.size());
    for (float x : {f.entropy, f.lexical_density, f.code, f.json, f.math}) EXPECT_TRUE(x >= 0 && x <= 1) << x;
    EXPECT_EQ(f, extract_features(text));
  }
  EXPECT_EQ(extract_features(""), Features{});
}

TEST(Features, TimeForInformation) {
  std::string text;
  while (text.size() < 8192) text += "Explain how a compiler allocates registers, then write f(x) = x^2 + 1; in C++. ";
  double best = 1e9;
  for (int i = 0; i < 200; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const Features f = extract_features(text);
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    if (f.bytes == text.size()) best = std::min(best, took.count());
  }
  std::cout << "features of " << text.size() << " bytes: " << best << " us\n";
}

}  // namespace
}  // namespace vernier
