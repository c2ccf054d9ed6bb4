// The words that prompts are judged by: English function words, and words of code, data formats and mathematics. One table, looked up by
// hash, built and checked for collisions while compiling. Add words here; what they weigh is in features.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vernier {

/// What a word is evidence of.
enum class WordClass : unsigned char { other, function, code, json, math };

namespace detail {

// Function words carry grammar rather than content; from the closed classes of English. Contractions are cut at the apostrophe.
inline constexpr std::string_view function_words =
    "a an the this that these those i you he she it we they me him her us them my your his its our their mine yours who whom whose which "
    "what when where why how is am are was were be been being do does did doing have has had having will would shall should can could may "
    "might must of in on at by for with about against between into through during before after above below to from up down out off over "
    "under again then once here there and but or nor so if because as until while than too very just not no yes s t re ve ll d m some any "
    "all each both few more most other such only own same also please tell let get got make know want like there hi hello hey thanks thank "
    "ok okay";

// No word that is also everyday English, such as "for", "class" or "return": those say little without the signs around them.
inline constexpr std::string_view code_words =
    "def elif lambda async await const constexpr nullptr null struct enum typedef typename namespace printf println sprintf malloc sizeof "
    "int void bool char float double uint8 int32 int64 uint32 size_t std vector iostream stdio stdlib argc argv self init kwargs args "
    "func fn impl mut println pub usize var let boolean javac javascript typescript python java rust golang kotlin sql html css bash regex "
    "refactor compile compiler debug segfault traceback exception stacktrace api endpoint npm pip cargo cmake git github docker kubernetes "
    "numpy pandas pytorch tensorflow cuda goto foreach undefined nan stdin stdout stderr xml yaml varchar inner groupby params param "
    "runtime multithreaded mutex deadlock algorithm recursion recursive linq jquery nodejs async webpack localhost http https www";

inline constexpr std::string_view json_words =
    "json jsonl schema toolcall tool_calls ndjson openapi protobuf key_value serialise serialize parsed";

inline constexpr std::string_view math_words =
    "prove proof theorem lemma corollary conjecture integral integrate derivative differentiate differential equation equations solve "
    "polynomial quadratic cubic matrix matrices determinant eigenvalue eigenvalues eigenvector vector probability expectation variance "
    "stochastic bayes combinatorics permutation permutations modulo congruent prime primes divisible divisor gcd lcm logarithm exponential "
    "trigonometric sine cosine tangent hypotenuse triangle radius circumference perimeter limit converge converges convergence series sum "
    "product calculate compute evaluate simplify factorise factorize factor fraction numerator denominator integer integers rational "
    "irrational complex algebra geometry calculus topology manifold frac sqrt cdot infty sigma lambda alpha beta theta epsilon";

// FNV-1a over lower-case bytes.
inline constexpr std::uint32_t hash_start = 2166136261u;
constexpr std::uint32_t hash_step(std::uint32_t hash, unsigned char c) { return (hash ^ c) * 16777619u; }

// Open addressing with linear probing. Hashes are compared, not words: a foreign word of the same 32 bits would be taken for one of ours,
// which happens to one in ten million and then costs a little score.
struct WordTable {
  static constexpr std::size_t size = 2048;  // about a quarter full
  struct Slot {
    std::uint32_t hash = 0;
    WordClass kind = WordClass::other;
  };
  std::array<Slot, size> slots{};

  // Where this hash is, or the free slot where it would go.
  constexpr std::size_t slot_of(std::uint32_t hash) const {
    std::size_t at = (hash ^ hash >> 15) % size;
    while (slots[at].kind != WordClass::other && slots[at].hash != hash) at = (at + 1) % size;
    return at;
  }

  // Enters words that are separated by one space each.
  constexpr void add(std::string_view words, WordClass kind) {
    std::uint32_t hash = hash_start;
    bool inside = false;
    for (std::size_t i = 0; i <= words.size(); ++i) {
      const bool letter = i < words.size() && words[i] != ' ';
      if (letter) hash = hash_step(hash, static_cast<unsigned char>(words[i]));
      if (!letter && inside) {
        Slot& slot = slots[slot_of(hash)];
        if (slot.kind == WordClass::other) slot = {hash, kind};  // a word in two lists belongs to the first
        hash = hash_start;
      }
      inside = letter;
    }
  }
};

inline constexpr WordTable word_table = [] {
  WordTable table;
  table.add(function_words, WordClass::function);
  table.add(code_words, WordClass::code);
  table.add(json_words, WordClass::json);
  table.add(math_words, WordClass::math);
  return table;
}();

constexpr WordClass classify(std::uint32_t hash) { return word_table.slots[word_table.slot_of(hash)].kind; }

}  // namespace detail

/// The class of a lower-case word.
constexpr WordClass classify_word(std::string_view word) {
  std::uint32_t hash = detail::hash_start;
  for (char c : word) hash = detail::hash_step(hash, static_cast<unsigned char>(c));
  return detail::classify(hash);
}

static_assert(classify_word("the") == WordClass::function && classify_word("nullptr") == WordClass::code &&
                  classify_word("theorem") == WordClass::math && classify_word("weather") == WordClass::other,
              "vernier::classify_word: the table must know its own words and no others");

}  // namespace vernier
