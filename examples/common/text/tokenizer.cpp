// Tables of a tokenizer, its queries, and the entry points of encoding. The work is done in tokenizer_encode.cpp and
// tokenizer_decode.cpp.
#include "common/text/tokenizer.hpp"

#include <algorithm>
#include <utility>

#include "common/text/spm.hpp"
#include "common/text/tokenizer_impl.hpp"
#include "vernier/core/error.hpp"

namespace vernier::text {
namespace {

constexpr std::size_t max_text_bytes = std::size_t{1} << 30;

std::string with_spaces(std::string_view piece, std::string_view mark) {
  std::string out;
  for (std::size_t at = 0; at < piece.size();) {
    const bool space = !mark.empty() && piece.substr(at, mark.size()) == mark;
    out += space ? ' ' : piece[at];
    at += space ? mark.size() : 1;
  }
  return out;
}

bool has_mark_inside(std::string_view piece, std::string_view mark) {
  for (std::size_t at = piece.find(mark, 1); at != std::string_view::npos; at = piece.find(mark, at + 1))
    if (at < mark.size() || piece.substr(at - mark.size(), mark.size()) != mark) return true;
  return false;
}

/// The value of "<0x0A>", or -1.
int byte_value(std::string_view piece) {
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return -1;
  int value = 0;
  for (const char c : piece.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

std::vector<AddedToken> normalized_tokens(const TokenizerSpec& spec, bool normalized) {
  std::vector<AddedToken> tokens;
  for (const AddedToken& token : spec.added) {
    if (token.normalized != normalized) continue;
    tokens.push_back(token);
    if (normalized) tokens.back().text = normalize_text(spec.normalize, token.text, nullptr);
  }
  return tokens;
}

}  // namespace

bool is_end_name(std::string_view piece) {
  static constexpr std::string_view names[] = {"<|eot_id|>",      "<|eom_id|>",    "<|im_end|>", "<|endoftext|>",
                                               "<|end_of_text|>", "<end_of_turn>", "<|end|>",    "<|eot|>",
                                               "<EOT>",           "<|endofturn|>", "</s>",       "<eos>"};
  return std::find(std::begin(names), std::end(names), piece) != std::end(names);
}

Tokenizer::Impl::Impl(TokenizerSpec spec_) : spec(std::move(spec_)), merges(spec.merges) {
  byte_ids.fill(-1);
  bytes.resize(spec.pieces.size());
  by_piece.reserve(spec.pieces.size());
  mark_starts_words = !spec.byte_level && !spec.metaspace.mark.empty();
  for (std::size_t id = 0; id < spec.pieces.size(); ++id) index_token(static_cast<int>(id));
  if (!spec.scores.empty()) index_scores();
  added = AddedTokens(normalized_tokens(spec, false));
  added_normalized = AddedTokens(normalized_tokens(spec, true));
  for (const int id : {spec.eos, spec.eot})
    if (id >= 0) spec.end_ids.push_back(id);
  for (std::size_t id = 0; id < spec.pieces.size(); ++id)
    if (spec.kinds[id] == TokenKind::control && is_end_name(spec.pieces[id])) spec.end_ids.push_back(static_cast<int>(id));
  std::sort(spec.end_ids.begin(), spec.end_ids.end());
  spec.end_ids.erase(std::unique(spec.end_ids.begin(), spec.end_ids.end()), spec.end_ids.end());
  if (spec.prefix.empty() && spec.bos >= 0) spec.prefix = {spec.bos};
}

void Tokenizer::Impl::index_token(int id) {
  const auto at = static_cast<std::size_t>(id);
  const std::string& piece = spec.pieces[at];
  const TokenKind kind = spec.kinds[at];
  std::string& decoded = bytes[at];
  if (piece.empty()) return;
  by_piece.emplace(piece, id);
  const bool verbatim = kind == TokenKind::control || kind == TokenKind::unknown || kind == TokenKind::user_defined;
  const int byte = !spec.byte_level && (kind == TokenKind::byte || spec.byte_fallback) ? byte_value(piece) : -1;
  if (byte >= 0 && !verbatim) {
    decoded.assign(1, static_cast<char>(static_cast<unsigned char>(byte)));
    byte_ids[static_cast<std::size_t>(byte)] = id;
    return;
  }
  if (spec.byte_level) {
    if (verbatim || !from_byte_alphabet(piece, decoded)) decoded = piece;
  } else {
    decoded = verbatim && kind != TokenKind::user_defined ? piece : with_spaces(piece, spec.metaspace.mark);
  }
  if (!spec.in_model[at]) return;
  if (!spec.byte_level) {
    model.emplace(piece, id);
    mark_starts_words = mark_starts_words && !has_mark_inside(piece, spec.metaspace.mark);
  } else if (spec.ignore_merges) {
    model.emplace(decoded, id);
  }
  if (spec.byte_level && decoded.size() == 1) byte_ids[static_cast<unsigned char>(decoded[0])] = id;
}

void Tokenizer::Impl::index_scores() {
  ScoredMerges scored = merges_from_scores(spec.pieces, spec.in_model, spec.scores, model);
  merges = MergeTable(scored.merges, scored.ranks);
  part_characters = std::move(scored.part_characters);
  for (std::size_t i = 0; i < part_characters.size(); ++i) model.emplace(part_characters[i], static_cast<int>(bytes.size() + i));
}

std::vector<int> Tokenizer::encode(std::string_view text, EncodeOptions options, EncodeReport* report) const {
  expect(text.size() <= max_text_bytes, "vernier::text::Tokenizer::encode", "the text has ", text.size(), " bytes, at most ",
         max_text_bytes, " can be encoded at once");
  std::vector<int> ids;
  if (options.add_bos) ids = impl_->spec.prefix;
  const TextRange whole{0, text.size()};
  const std::size_t dropped = encode_text(*impl_, text, options.special ? std::span(&whole, 1) : std::span<const TextRange>(), ids);
  if (options.add_eos) ids.insert(ids.end(), impl_->spec.suffix.begin(), impl_->spec.suffix.end());
  if (report) report->dropped_bytes = dropped;
  return ids;
}

std::vector<int> Tokenizer::encode(std::span<const Piece> pieces, EncodeOptions options, EncodeReport* report) const {
  std::size_t total = 0;
  for (const Piece& piece : pieces) total += piece.text.size();
  expect(total <= max_text_bytes, "vernier::text::Tokenizer::encode", "the pieces have ", total, " bytes, at most ", max_text_bytes,
         " can be encoded at once");
  std::string text;
  text.reserve(total);
  std::vector<TextRange> trusted;
  for (const Piece& piece : pieces) {
    const std::size_t begin = text.size();
    text += piece.text;
    if (!piece.trusted || piece.text.empty()) continue;
    if (!trusted.empty() && trusted.back().end == begin)
      trusted.back().end = text.size();
    else
      trusted.push_back({begin, text.size()});
  }
  std::vector<int> ids;
  if (options.add_bos) ids = impl_->spec.prefix;
  const std::size_t dropped = encode_text(*impl_, text, trusted, ids);
  if (options.add_eos) ids.insert(ids.end(), impl_->spec.suffix.begin(), impl_->spec.suffix.end());
  if (report) report->dropped_bytes = dropped;
  return ids;
}

int Tokenizer::size() const { return static_cast<int>(impl_->spec.pieces.size()); }

const std::string& Tokenizer::piece(int id) const {
  expect(id >= 0 && id < size(), "vernier::text::Tokenizer::piece", "id = ", id, ", the vocabulary has ids 0 to ", size() - 1);
  return impl_->spec.pieces[static_cast<std::size_t>(id)];
}

const std::string& Tokenizer::bytes(int id) const {
  expect(id >= 0 && id < size(), "vernier::text::Tokenizer::bytes", "id = ", id, ", the vocabulary has ids 0 to ", size() - 1);
  return impl_->bytes[static_cast<std::size_t>(id)];
}

int Tokenizer::find(std::string_view piece) const {
  const auto found = impl_->by_piece.find(piece);
  return found == impl_->by_piece.end() ? -1 : found->second;
}

bool Tokenizer::is_control(int id) const {
  expect(id >= 0 && id < size(), "vernier::text::Tokenizer::is_control", "id = ", id, ", the vocabulary has ids 0 to ", size() - 1);
  return impl_->is_control(id);
}

int Tokenizer::bos() const { return impl_->spec.bos; }
int Tokenizer::eos() const { return impl_->spec.eos; }
int Tokenizer::eot() const { return impl_->spec.eot; }
const std::vector<int>& Tokenizer::end_ids() const { return impl_->spec.end_ids; }
bool Tokenizer::is_end(int id) const { return std::binary_search(end_ids().begin(), end_ids().end(), id); }
bool Tokenizer::add_bos_by_default() const { return impl_->spec.add_bos; }

}  // namespace vernier::text
