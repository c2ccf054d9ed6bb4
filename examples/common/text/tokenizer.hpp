// Text to token ids and back, exactly as the model's own tokenizer does it: byte-level BPE (GPT-2, SmolLM, Llama 3, Qwen2) and
// SentencePiece-style BPE with byte fallback (Llama 2, TinyLlama, Mistral), from a GGUF file's metadata or a Hugging Face folder.
// Not here: chat templates (chat_template.hpp), which produce the pieces that a Tokenizer encodes.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/text/piece.hpp"

namespace vernier::io {
class Gguf;
}

namespace vernier::text {

struct EncodeOptions {
  bool special = false;  // is text that spells a control token that token? Only for encode(std::string_view); pieces say so themselves
  bool add_bos = false;  // put in front what the model expects there; see Tokenizer::add_bos_by_default()
  bool add_eos = false;  // put behind what the model's template puts behind a whole text; nothing for most models
};

/// What encoding had to leave out. Some vocabularies have no token for some bytes (SmolLM2: 21 of 256); these bytes are dropped, as in
/// Hugging Face, and the caller should say so.
struct EncodeReport {
  std::size_t dropped_bytes = 0;
};

struct DecodeOptions {
  bool skip_special = false;    // leave control tokens out of the text
  bool continues = false;       // the ids go on after other text, so that SentencePiece's first space is a real one
  bool replace_invalid = true;  // bytes that are no UTF-8 become U+FFFD; false: raw bytes
};

/// The strings and lists that Hugging Face keeps beside tokenizer.json. Empty ones count as missing files.
struct TokenizerSources {
  std::string name = "tokenizer.json";  // for messages
  std::string tokenizer = {};           // the text of tokenizer.json
  std::string tokenizer_config = {};    // of tokenizer_config.json: bos_token, eos_token, add_bos_token
  std::string generation_config = {};   // of generation_config.json: eos_token_id, a number or a list
  std::string config = {};              // of config.json: the same fields, used where the other two say nothing
};

/// Immutable once made: copies share one vocabulary, and any number of threads may use it. Functions that take an id throw Error when it
/// is not in [0, size()).
class Tokenizer {
 public:
  /// From tokenizer.ggml.*. Throws Error naming the file, the field and what was expected, with the list of known kinds where one is
  /// unknown. A GGUF file does not say how text is normalised: nothing is, as in llama.cpp (tokenizer.json of Qwen2 asks for NFC).
  static Tokenizer from_gguf(const io::Gguf& file);
  /// From the texts of the files in a Hugging Face folder.
  static Tokenizer from_json(const TokenizerSources& sources);
  /// From a Hugging Face folder: tokenizer.json and, where they exist, the three other files.
  static Tokenizer from_folder(const std::string& folder);

  /// Added tokens that are not special (user-defined ones) are found in any text; control tokens only with options.special. Bytes that
  /// are no UTF-8 are encoded as bytes. Throws Error above 1 GiB.
  std::vector<int> encode(std::string_view text, EncodeOptions options = {}, EncodeReport* report = nullptr) const;
  /// The ids of the joined text, with control tokens found inside trusted pieces alone. options.special is not used.
  std::vector<int> encode(std::span<const Piece> pieces, EncodeOptions options = {}, EncodeReport* report = nullptr) const;
  /// What a Decoder gives for these ids.
  std::string decode(std::span<const int> ids, DecodeOptions options = {}) const;

  /// The number of ids, holes included. A model's embedding may have more rows.
  int size() const;
  /// A token as the vocabulary spells it ("Ġthe", "▁the", "<0x0A>"); empty for a hole.
  const std::string& piece(int id) const;
  /// The bytes that a token adds to a text, not always UTF-8 by themselves. For control tokens their spelling.
  const std::string& bytes(int id) const;
  /// The id that the vocabulary spells so, or -1.
  int find(std::string_view piece) const;
  /// Is this a token that text of users never becomes (BOS, end of turn, ...)?
  bool is_control(int id) const;

  int bos() const;  // -1 where the files name none; the same for the others
  int eos() const;
  int eot() const;
  /// All ids that end a generation: those that the files name, and control tokens whose names are known to mean it. Sorted.
  const std::vector<int>& end_ids() const;
  bool is_end(int id) const;
  bool add_bos_by_default() const;

  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Turns ids into text as they come, and never hands out half a character: incomplete UTF-8 is held back until the next id, or flush().
class Decoder {
 public:
  explicit Decoder(Tokenizer tokenizer, DecodeOptions options = {});
  /// The text that this id completes; may be empty.
  std::string push(int id);
  /// What is still held back, as U+FFFD (or raw with replace_invalid = false). The decoder then starts afresh.
  std::string flush();

 private:
  std::string take(bool all);

  Tokenizer tokenizer_;
  DecodeOptions options_;
  std::string pending_;
  bool at_start_;
};

}  // namespace vernier::text
