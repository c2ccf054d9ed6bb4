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
    if (impl_.added_normalized.empty()) return encode_words(normalize_text(spec_.normalize, std::string(raw), nullptr), first);
    std::vector<TextRange> kept = inside(trusted, range);
    const std::string normalized = normalize_text(spec_.normalize, std::string(raw), &kept);
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

  /// The trusted stretches of `range`, from its beginning.
  static std::vector<TextRange> inside(std::span<const TextRange> trusted, TextRange range) {
    std::vector<TextRange> out;
    const auto ends_before = [](const TextRange& part, std::size_t at) { return part.end <= at; };
    for (auto part = std::lower_bound(trusted.begin(), trusted.end(), range.begin, ends_before); part != trusted.end(); ++part) {
      if (part->begin >= range.end) break;
      out.push_back({std::max(part->begin, range.begin) - range.begin, std::min(part->end, range.end) - range.begin});
    }
    return out;
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
    for (std::size_t at = 0; at < word.size();) {
      // Where no merge can cross, the word is done in parts: the same ids from a heap that stays small.
      if (impl_.mark_starts_words && !symbols_.empty() && starts_word(word, at)) merge_symbols();
      const std::size_t length = spec_.byte_level ? 1 : utf8_at(word, at).bytes;
      add_character(word.substr(at, length));
      at += length;
    }
    flush_unknown();
    merge_symbols();
  }

  bool starts_word(std::string_view word, std::size_t at) const {
    const std::string_view mark = spec_.metaspace.mark;
    return word.substr(at, mark.size()) == mark && (at < mark.size() || word.substr(at - mark.size(), mark.size()) != mark);
  }

  void merge_symbols() {
    const std::size_t begin = out_.size();
    merger_.merge(impl_.merges, symbols_, out_);
    symbols_.clear();
    if (!impl_.part_characters.empty()) spell_out_parts(begin);
  }

  /// Characters that could have merged but did not, and are no tokens, become their bytes.
  void spell_out_parts(std::size_t begin) {
    const auto is_part = [this](int id) { return id >= static_cast<int>(impl_.bytes.size()); };
    if (std::none_of(out_.begin() + static_cast<std::ptrdiff_t>(begin), out_.end(), is_part)) return;
    const std::vector<int> merged(out_.begin() + static_cast<std::ptrdiff_t>(begin), out_.end());
    out_.resize(begin);
    for (const int id : merged) {
      if (!is_part(id)) {
        out_.push_back(id);
        continue;
      }
      add_missing(impl_.part_characters[static_cast<std::size_t>(id) - impl_.bytes.size()]);
      flush_unknown();
      out_.insert(out_.end(), symbols_.begin(), symbols_.end());
      symbols_.clear();
    }
  }

  void add_character(std::string_view character) {
    if (spec_.byte_level) {
      const int id = impl_.byte_ids[static_cast<unsigned char>(character[0])];
      return id >= 0 ? add_symbol(id) : add_unknown(1);
    }
    const auto found = impl_.model.find(character);
    if (found != impl_.model.end()) return add_symbol(found->second);
    add_missing(character);
  }

  /// A character that is no token: its bytes, or the unknown token, or nothing.
  void add_missing(std::string_view character) {
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

  const Tokenizer::Impl& impl_;
  const TokenizerSpec& spec_;
  std::vector<int>& out_;
  std::size_t dropped_ = 0;
  bool unknown_pending_ = false;
  std::vector<int> symbols_;
  std::vector<TextRange> words_, scratch_;
  BpeMerger merger_;
};

}  // namespace

std::size_t encode_text(const Tokenizer::Impl& impl, std::string_view text, std::span<const TextRange> trusted, std::vector<int>& out) {
  return Encoder(impl, out).run(text, trusted);
}

}  // namespace vernier::text
