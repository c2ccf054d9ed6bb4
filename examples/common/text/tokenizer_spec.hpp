// What a tokenizer is, whichever file it came from. The loaders (tokenizer_json.cpp, tokenizer_gguf.cpp) fill this in and have checked
// it; tokenizer.cpp runs it. Internal to the tokenizer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/text/bpe.hpp"
#include "common/text/pretokenizer.hpp"
#include "common/text/unicode.hpp"

namespace vernier::text {

/// Kinds of token, in GGUF's words. Text becomes control, unknown and unused tokens in no other way than by name in trusted text.
enum class TokenKind : std::uint8_t { normal, unknown, control, user_defined, unused, byte };

/// A token that is looked for in the text before anything else happens to it. Flags as in tokenizer.json.
struct AddedToken {
  int id = 0;
  std::string text = {};
  bool special = false;      // found in trusted text only
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and after it
  bool single_word = false;  // only where no word character touches it
  bool normalized = false;   // found in normalised text, and itself normalised
};

struct NormalizeStep {
  enum class Kind { unicode, prepend, replace } kind = Kind::unicode;
  Normalization form = Normalization::nfc;
  std::string from = {}, to = {};  // replace: every `from` becomes `to`; prepend: `to` goes in front of a text that is not empty
};

/// Metaspace, after normalisation: spaces become U+2581, and one goes in front.
struct Metaspace {
  enum class Prepend { never, first, always };
  bool active = false;
  Prepend prepend = Prepend::never;
  std::string mark = "\u2581";
};

struct TokenizerSpec {
  std::string name;  // the file, for messages
  bool byte_level = true;
  std::vector<std::string> pieces;  // by id, as the file spells them; empty for holes
  std::vector<TokenKind> kinds;     // by id
  std::vector<bool> in_model;       // by id: can byte-pair encoding produce it?
  std::vector<Merge> merges;        // by rank; unused with scores
  std::vector<float> scores;        // by id; SentencePiece vocabularies of GGUF files merge by score
  std::vector<AddedToken> added;

  std::vector<NormalizeStep> normalize;
  bool add_prefix_space = false;  // byte-level: a space goes in front of a text that starts with none
  Metaspace metaspace;
  std::vector<SplitStep> split;
  bool ignore_merges = false;  // a word that is a token is taken whole
  bool byte_fallback = false;
  bool fuse_unknown = false;
  int unknown = -1;          // for what has no token; -1: dropped
  bool strip_space = false;  // decoding drops one leading space

  std::vector<int> prefix, suffix;  // ids around a whole text
  int bos = -1, eos = -1, eot = -1;
  std::vector<int> end_ids;
  bool add_bos = false;
};

/// The byte-level alphabet of GPT-2: printable characters that stand for the 256 bytes. `text` as bytes; false if a character is not in it.
bool from_byte_alphabet(std::string_view text, std::string& bytes);
/// The character that stands for a byte.
char32_t byte_alphabet(unsigned char byte);

}  // namespace vernier::text
