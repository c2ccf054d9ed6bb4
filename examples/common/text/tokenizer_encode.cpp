// Encoding: added tokens first, then normalisation, then words, then merges, as the `tokenizers` package orders it.
#include <algorithm>

#include "common/text/tokenizer_impl.hpp"

namespace vernier::text {
namespace {

/// The state of one call. Scratch vectors live here, so that a word costs no allocation.
class Encoder {
 public:
  Encoder(const Tokenizer::Impl& impl, std::vector<int>& out) : impl_(impl), spec_(impl.spec), out_(out) {}

  std::size_t run(std::string_view text, std::span<const TextRange> trusted) {
    std::vector<AddedTokens::Section> sections;
    impl_.added.split(text, trusted, sections);
    for (const AddedTokens::Section& section : sections) {
      if (section.id >= 0)
        out_.push_back(section.id);
      else
        encode_section(text, section.range, trusted);
    }
    return dropped_;
  }

 private:
  /// Text between added tokens: normalise it, then look for the added tokens that are to be found in normalised text.
  void encode_section(std::string_view text, TextRange range, std::span<const TextRange> trusted) {
    const std::string_view raw = text.substr(range.begin, range.end - range.begin);
    const bool first = range.begin == 0;
    if (spec_.normalize.empty() && impl_.added_normalized.empty()) return encode_words(raw, first);
    std::vector<TextRange> kept;
    for (const TextRange& part : trusted) {
      const TextRange inside{std::max(part.begin, range.begin), std::min(part.end, range.end)};
      if (inside.begin < inside.end) kept.push_back({inside.begin - range.begin, inside.end - range.begin});
    }
    const std::string normalized = normalize_text(spec_.normalize, std::string(raw), impl_.added_normalized.empty() ? nullptr : &kept);
    if (impl_.added_normalized.empty()) return encode_words(normalized, first);
    std::vector<AddedTokens::Section> sections;
    impl_.added_normalized.split(normalized, kept, sections);
    for (const AddedTokens::Section& section : sections) {
      if (section.id >= 0)
        out_.push_back(section.id);
      else
        encode_words(std::string_view(normalized).substr(section.range.begin, section.range.end - section.range.begin),
                     first && section.range.begin == 0);
    }
  }

  void encode_words(std::string_view text, bool first) {
    std::string changed;
    if (spec_.metaspace.active) {
      changed = mark_spaces(text, first);
      text = changed;
    } else if (spec_.add_prefix_space && !text.starts_with(' ')) {
      changed = " ";
      changed += text;
      text = changed;
    }
    if (!spec_.scores.empty()) return encode_scored(text);
    split_words(text, {0, text.size()}, spec_.split, words_, scratch_);
    for (const TextRange word : words_) encode_word(text.substr(word.begin, word.end - word.begin));
  }

  std::string mark_spaces(std::string_view text, bool first) const {
    const Metaspace& metaspace = spec_.metaspace;
    std::string out;
    const bool prepend = metaspace.prepend == Metaspace::Prepend::always || (metaspace.prepend == Metaspace::Prepend::first && first);
    if (prepend && !text.starts_with(' ') && !text.starts_with(metaspace.mark)) out = metaspace.mark;
    for (const char c : text) {
      if (c == ' ')
        out += metaspace.mark;
      else
        out += c;
    }
    return out;
  }

  void encode_word(std::string_view word) {
    if (spec_.ignore_merges) {
      const auto found = impl_.model.find(word);
      if (found != impl_.model.end()) return out_.push_back(found->second);
    }
    symbols_.clear();
    unknown_pending_ = false;
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t length = spec_.byte_level ? 1 : utf8_at(word, at).bytes;
      add_character(word.substr(at, length));
      at += length;
    }
    flush_unknown();
    merger_.merge(impl_.merges, symbols_, out_);
  }

  void add_character(std::string_view character) {
    if (spec_.byte_level) {
      const int id = impl_.byte_ids[static_cast<unsigned char>(character[0])];
      return id >= 0 ? add_symbol(id) : add_unknown(1);
    }
    const auto found = impl_.model.find(character);
    if (found != impl_.model.end()) return add_symbol(found->second);
    if (!spec_.byte_fallback || !has_bytes(character)) return add_unknown(character.size());
    for (const char byte : character) add_symbol(impl_.byte_ids[static_cast<unsigned char>(byte)]);
  }

  bool has_bytes(std::string_view text) const {
    return std::all_of(text.begin(), text.end(), [this](char c) { return impl_.byte_ids[static_cast<unsigned char>(c)] >= 0; });
  }

  void add_symbol(int id) {
    flush_unknown();
    symbols_.push_back(id);
  }

  void add_unknown(std::size_t bytes) {
    if (spec_.unknown < 0) {
      dropped_ += bytes;
      return;
    }
    if (!spec_.fuse_unknown) flush_unknown();
    unknown_pending_ = true;
  }

  void flush_unknown() {
    if (unknown_pending_) symbols_.push_back(spec_.unknown);
    unknown_pending_ = false;
  }

  void encode_scored(std::string_view text) {
    for (const SpmMerger::Token token : spm_.merge(impl_.scored, text)) {
      const std::string_view spelled = text.substr(token.begin, token.end - token.begin);
      if (token.id >= 0)
        out_.push_back(token.id);
      else if (has_bytes(spelled))
        for (const char byte : spelled) out_.push_back(impl_.byte_ids[static_cast<unsigned char>(byte)]);
      else if (spec_.unknown >= 0)
        out_.push_back(spec_.unknown);
      else
        dropped_ += spelled.size();
    }
  }

  const Tokenizer::Impl& impl_;
  const TokenizerSpec& spec_;
  std::vector<int>& out_;
  std::size_t dropped_ = 0;
  bool unknown_pending_ = false;
  std::vector<int> symbols_;
  std::vector<TextRange> words_, scratch_;
  BpeMerger merger_;
  SpmMerger spm_;
};

}  // namespace

std::size_t encode_text(const Tokenizer::Impl& impl, std::string_view text, std::span<const TextRange> trusted, std::vector<int>& out) {
  return Encoder(impl, out).run(text, trusted);
}

}  // namespace vernier::text
