// The word table: complete, without collisions, and not tricked by near misses.
#include "vernier/router/words.hpp"

#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>

namespace vernier {
namespace {

TEST(Words, EveryListedWordHasItsClass) {
  std::map<std::uint32_t, std::string> seen;
  const auto check = [&](std::string_view list, WordClass kind) {
    std::istringstream words{std::string(list)};
    for (std::string word; words >> word;) {
      std::uint32_t hash = detail::hash_start;
      for (char c : word) hash = detail::hash_step(hash, static_cast<unsigned char>(c));
      const auto [entry, fresh] = seen.emplace(hash, word);
      EXPECT_EQ(entry->second, word) << "two words of one hash";
      if (!fresh) continue;  // listed twice: the first list has it
      EXPECT_EQ(classify_word(word), kind) << word;
    }
  };
  check(detail::function_words, WordClass::function);
  check(detail::code_words, WordClass::code);
  check(detail::json_words, WordClass::json);
  check(detail::math_words, WordClass::math);
  EXPECT_LT(seen.size(), detail::WordTable::size / 3) << "probing gets long; enlarge the table";
}

TEST(Words, OthersHaveNone) {
  for (const char* word : {"weather", "haiku", "thee", "defi", "", "primo", "nullptrs"})
    EXPECT_EQ(classify_word(word), WordClass::other) << word;
}

}  // namespace
}  // namespace vernier
