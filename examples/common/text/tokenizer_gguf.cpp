// A tokenizer from the metadata tokenizer.ggml.* of a GGUF file. Kinds of token and the defaults are those of llama.cpp, for which such
// files are written.
#include <algorithm>
#include <array>
#include <unordered_map>

#include "common/io/gguf.hpp"
#include "common/io/names.hpp"
#include "common/text/tokenizer_impl.hpp"
#include "common/text/tokenizer_loader.hpp"
#include "vernier/core/error.hpp"

namespace vernier::text {
namespace {

constexpr std::string_view prefix = "tokenizer.ggml.";

std::string key(std::string_view name) { return std::string(prefix) + std::string(name); }

TokenKind token_kind(const std::string& file, std::size_t id, std::int32_t type) {
  static constexpr std::array kinds = {TokenKind::normal,       TokenKind::unknown, TokenKind::control,
                                       TokenKind::user_defined, TokenKind::unused,  TokenKind::byte};
  expect(type >= 1 && type <= 6, file, "tokenizer.ggml.token_type[", id, "] = ", type, ", expected 1 to 6");
  return kinds[static_cast<std::size_t>(type - 1)];
}

void read_vocabulary(const io::Gguf& file, TokenizerSpec& spec) {
  expect(file.has(key("tokens")), spec.name, "tokenizer.ggml.tokens is missing: the file has no vocabulary");
  const std::vector<std::string_view> tokens = file.texts(key("tokens"));
  spec.pieces.assign(tokens.begin(), tokens.end());
  std::vector<std::int32_t> types;
  if (file.has(key("token_type"))) types = file.integers(key("token_type"));
  expect(types.empty() || types.size() == tokens.size(), spec.name, "tokenizer.ggml.token_type has ", types.size(), " elements, expected ",
         tokens.size(), " as in tokenizer.ggml.tokens");
  spec.kinds.assign(tokens.size(), TokenKind::normal);
  spec.in_model.assign(tokens.size(), false);
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    TokenKind& kind = spec.kinds[id];
    if (!types.empty()) kind = token_kind(spec.name, id, types[id]);
    // Some converters left these as ordinary text; then a user could end a turn by typing, and a template could not.
    if ((kind == TokenKind::normal || kind == TokenKind::user_defined) && tokens[id].starts_with("<|") && is_end_name(tokens[id]))
      kind = TokenKind::control;
    spec.in_model[id] = kind == TokenKind::normal || kind == TokenKind::user_defined;
    if (kind == TokenKind::control || kind == TokenKind::unknown || kind == TokenKind::user_defined)
      spec.added.push_back({.id = static_cast<int>(id), .text = spec.pieces[id], .special = kind != TokenKind::user_defined});
  }
}

void read_merges(const io::Gguf& file, TokenizerSpec& spec) {
  expect(file.has(key("merges")), spec.name, "tokenizer.ggml.merges is missing, which tokenizer.ggml.model = gpt2 needs");
  std::unordered_map<std::string_view, int> ids;
  ids.reserve(spec.pieces.size());
  for (std::size_t id = 0; id < spec.pieces.size(); ++id) ids.emplace(spec.pieces[id], static_cast<int>(id));
  const std::vector<std::string_view> lines = file.texts(key("merges"));
  spec.merges.reserve(lines.size());
  std::string joined;
  for (std::size_t rank = 0; rank < lines.size(); ++rank) {
    const std::string_view line = lines[rank];
    const std::size_t space = line.find(' ', 1);  // from 1: llama.cpp's rule, so that a first part may be a space
    if (space == std::string_view::npos || space + 1 >= line.size())
      fail(spec.name, "tokenizer.ggml.merges[", rank, "] = ", io::quoted(line), ", expected two tokens with a space between them");
    joined.assign(line.substr(0, space)).append(line.substr(space + 1));
    const auto id_of = [&](std::string_view piece) {
      const auto found = ids.find(piece);
      if (found == ids.end())
        fail(spec.name, "tokenizer.ggml.merges[", rank, "] = ", io::quoted(line), " needs the token ", io::quoted(piece),
             ", which is not in tokenizer.ggml.tokens");
      return found->second;
    };
    const Merge merge{id_of(line.substr(0, space)), id_of(line.substr(space + 1)), id_of(joined)};
    // A control token is never made from text.
    if (spec.in_model[static_cast<std::size_t>(merge.result)]) spec.merges.push_back(merge);
  }
}

void read_scores(const io::Gguf& file, TokenizerSpec& spec) {
  expect(file.has(key("scores")), spec.name, "tokenizer.ggml.scores is missing, which tokenizer.ggml.model = llama needs");
  spec.scores = file.numbers(key("scores"));
  expect(spec.scores.size() == spec.pieces.size(), spec.name, "tokenizer.ggml.scores has ", spec.scores.size(), " elements, expected ",
         spec.pieces.size(), " as in tokenizer.ggml.tokens");
}

void read_bpe(const io::Gguf& file, TokenizerSpec& spec) {
  const std::string_view pre = file.text_or(key("pre"), "");
  const NamedPreTokenizer* known = find_pre_tokenizer(pre);
  if (!known && (pre.empty() || pre == "default"))
    fail(spec.name, "tokenizer.ggml.pre is ", pre.empty() ? "missing" : "\"default\"",
         ", so it is not known how text is cut into words; convert the model again, or set it to one of: ", known_pre_tokenizers());
  expect(known != nullptr, spec.name, "tokenizer.ggml.pre = ", io::quoted(pre),
         " is not supported; supported are: ", known_pre_tokenizers());
  spec.byte_level = true;
  spec.split = known->steps;
  spec.ignore_merges = known->ignore_merges;
  spec.add_bos = known->add_bos;
  spec.add_prefix_space = file.flag_or(key("add_space_prefix"), false);
  read_merges(file, spec);
}

void read_spm(const io::Gguf& file, TokenizerSpec& spec) {
  spec.byte_level = false;
  spec.byte_fallback = true;
  spec.add_bos = true;
  spec.strip_space = file.flag_or(key("add_space_prefix"), true);
  // A space in front of each stretch of text, so also after each special token; then every space becomes the mark.
  if (spec.strip_space) spec.normalize.push_back({.kind = NormalizeStep::Kind::prepend, .from = {}, .to = spec.metaspace.mark});
  spec.normalize.push_back({.kind = NormalizeStep::Kind::replace, .from = " ", .to = spec.metaspace.mark});
  read_scores(file, spec);
}

int read_id(const io::Gguf& file, const TokenizerSpec& spec, std::string_view name) {
  if (!file.has(key(name))) return -1;
  const std::int64_t id = file.integer(key(name));
  expect(id >= 0 && id < static_cast<std::int64_t>(spec.pieces.size()), spec.name, "tokenizer.ggml.", name, " = ", id,
         ", the vocabulary has ids 0 to ", spec.pieces.size() - 1);
  return static_cast<int>(id);
}

}  // namespace

Tokenizer Tokenizer::from_gguf(const io::Gguf& file) {
  TokenizerSpec spec;
  spec.name = file.path();
  expect(file.has(key("model")), spec.name, "tokenizer.ggml.model is missing: the file has no tokenizer");
  const std::string_view model = file.text(key("model"));
  expect(model == "gpt2" || model == "llama", spec.name, "tokenizer.ggml.model = ", io::quoted(model),
         " is not supported; supported are: gpt2 (byte-level BPE), llama (SentencePiece BPE)");
  read_vocabulary(file, spec);
  expect(!spec.pieces.empty(), spec.name, "tokenizer.ggml.tokens is empty");
  if (model == "gpt2")
    read_bpe(file, spec);
  else
    read_spm(file, spec);
  spec.bos = read_id(file, spec, "bos_token_id");
  spec.eos = read_id(file, spec, "eos_token_id");
  spec.eot = read_id(file, spec, "eot_token_id");
  // Byte-level vocabularies name an unknown token too, but nothing ever becomes it: bytes without a token are dropped.
  const int unknown = read_id(file, spec, "unknown_token_id");
  if (model == "llama") spec.unknown = unknown;
  for (const std::string_view name : {"eom_token_id", "eos_token_id", "eot_token_id"})
    if (const int id = read_id(file, spec, name); id >= 0) spec.end_ids.push_back(id);
  spec.add_bos = file.flag_or(key("add_bos_token"), spec.add_bos) && spec.bos >= 0;
  return make_tokenizer(std::move(spec));
}

}  // namespace vernier::text
