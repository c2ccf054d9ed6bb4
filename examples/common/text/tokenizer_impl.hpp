// What a Tokenizer holds: its description, and the tables made from it once. Internal to the tokenizer.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/text/bpe.hpp"
#include "common/text/tokenizer.hpp"
#include "common/text/tokenizer_added.hpp"
#include "common/text/tokenizer_spec.hpp"

namespace vernier::text {

/// Not movable: the maps hold views of the strings in `spec` and `bytes`.
struct Tokenizer::Impl {
  explicit Impl(TokenizerSpec spec);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  bool is_control(int id) const {
    const TokenKind kind = spec.kinds[static_cast<std::size_t>(id)];
    return kind == TokenKind::control || kind == TokenKind::unknown;
  }

  TokenizerSpec spec;
  std::vector<std::string> bytes;                      // by id: what decoding appends
  std::unordered_map<std::string_view, int> by_piece;  // every token, by its spelling
  std::unordered_map<std::string_view, int> model;     // what merging knows, by bytes (byte-level) or spelling; empty if not needed
  std::vector<std::string> part_characters;            // spelling of the ids from bytes.size() on; see spm.hpp
  bool mark_starts_words = false;                      // no token has a U+2581 after another character: no merge crosses such a place
  std::array<int, 256> byte_ids;                       // the token of each byte, -1 if there is none
  MergeTable merges;
  AddedTokens added, added_normalized;

 private:
  void index_token(int id);
  void index_scores();
};

/// Appends the ids of `text`; specials are found inside `trusted` only. Returns the number of bytes that had to be dropped.
std::size_t encode_text(const Tokenizer::Impl& impl, std::string_view text, std::span<const TextRange> trusted, std::vector<int>& out);

/// Unicode normalisation of UTF-8; broken bytes stay as they are.
std::string normalize_utf8(std::string_view text, Normalization form);

/// Runs the steps over a text, and keeps track of which of its stretches are trusted if `trusted` is not null (sorted, non-overlapping).
std::string normalize_text(const std::vector<NormalizeStep>& steps, std::string text, std::vector<TextRange>* trusted);

/// Control tokens with these names end a generation, whatever the metadata says.
bool is_end_name(std::string_view piece);

}  // namespace vernier::text
