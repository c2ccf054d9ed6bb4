// tokenizer.json: the vocabulary, the merges and the added tokens. The model's own ids of special tokens come from the files beside it.
#include "common/text/tokenizer_json.hpp"

#include <unordered_map>

#include "common/io/names.hpp"
#include "common/text/tokenizer_loader.hpp"
#include "vernier/core/error.hpp"

namespace vernier::text {
namespace {

namespace json = boost::json;

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

/// The id of `piece` in `field`. Ids may have holes (padded vocabularies), but not so many that a small file needs much memory.
int checked_id(const TokenizerSpec& spec, const json::value* value, std::string_view field, std::string_view piece, std::size_t entries) {
  const std::size_t limit = 4 * entries + 1024;
  const std::int64_t id = value && value->is_int64() ? value->get_int64() : -1;
  if (id < 0 || id >= static_cast<std::int64_t>(limit))
    fail(spec.name, field, ": the id of ", io::quoted(piece), " is ", value ? io::json_text(*value) : "missing",
         ", expected an integer from 0 to ", limit - 1, " for ", entries, " tokens");
  return static_cast<int>(id);
}

void place(TokenizerSpec& spec, int id, std::string_view piece) {
  const auto at = static_cast<std::size_t>(id);
  if (at >= spec.pieces.size()) {
    spec.pieces.resize(at + 1);
    spec.kinds.resize(at + 1, TokenKind::unused);
    spec.in_model.resize(at + 1, false);
  }
  if (!spec.pieces[at].empty() && spec.pieces[at] != piece)
    fail(spec.name, "the id ", id, " belongs to ", io::quoted(spec.pieces[at]), " and to ", io::quoted(piece));
  spec.pieces[at] = piece;
}

void read_vocabulary(const io::JsonFields& model, TokenizerSpec& spec) {
  const json::value* vocabulary = model.find("vocab");
  if (!vocabulary || !vocabulary->is_object()) model.fail_field("vocab", "an object of tokens and ids");
  const json::object& tokens = vocabulary->get_object();
  for (const auto& [key, value] : tokens) {
    const std::string_view piece(key.data(), key.size());
    const int id = checked_id(spec, &value, "model.vocab", piece, tokens.size());
    if (piece.empty()) continue;
    place(spec, id, piece);
    spec.kinds[static_cast<std::size_t>(id)] = TokenKind::normal;
    spec.in_model[static_cast<std::size_t>(id)] = true;
  }
}

/// One merge: "a b", or ["a", "b"] as newer files have it, since tokens may hold spaces.
std::pair<std::string_view, std::string_view> merge_parts(const TokenizerSpec& spec, const json::value& value, std::size_t rank) {
  if (value.is_string()) {
    const std::string_view line = view(value.get_string());
    const std::size_t space = line.find(' ');
    if (space != std::string_view::npos && space > 0 && line.find(' ', space + 1) == std::string_view::npos)
      return {line.substr(0, space), line.substr(space + 1)};
  } else if (value.is_array() && value.get_array().size() == 2) {
    const json::array& parts = value.get_array();
    if (parts[0].is_string() && parts[1].is_string()) return {view(parts[0].get_string()), view(parts[1].get_string())};
  }
  fail(spec.name, "model.merges[", rank, "] = ", io::json_text(value), ", expected two tokens");
}

void read_merges(const io::JsonFields& model, TokenizerSpec& spec) {
  const json::value* merges = model.find("merges");
  if (!merges || !merges->is_array()) model.fail_field("merges", "an array");
  std::unordered_map<std::string_view, int> ids;
  ids.reserve(spec.pieces.size());
  for (std::size_t id = 0; id < spec.pieces.size(); ++id)
    if (!spec.pieces[id].empty()) ids.emplace(spec.pieces[id], static_cast<int>(id));
  spec.merges.reserve(merges->get_array().size());
  std::string joined;
  for (const json::value& value : merges->get_array()) {
    const std::size_t rank = spec.merges.size();
    const auto [left, right] = merge_parts(spec, value, rank);
    const auto id_of = [&, rank](std::string_view piece) {
      const auto found = ids.find(piece);
      if (found == ids.end())
        fail(spec.name, "model.merges[", rank, "] needs the token ", io::quoted(piece), ", which is not in model.vocab");
      return found->second;
    };
    joined.assign(left).append(right);
    spec.merges.push_back({id_of(left), id_of(right), id_of(joined)});
  }
}

}  // namespace

void read_model(const io::JsonFields& root, TokenizerSpec& spec) {
  const std::optional<io::JsonFields> model = root.object("model");
  if (!model) root.fail_field("model", "an object");
  const std::string type = model->text_or("type", "BPE");
  expect(type == "BPE", spec.name, "model.type = ", io::quoted(type), " is not supported; supported is: BPE");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    expect(model->text_or(affix, "").empty(), spec.name, "model.", affix, " is not supported; the models that Vernier runs have none");
  if (const json::value* dropout = model->find("dropout"))
    expect(dropout->is_number() && dropout->to_number<double>() == 0, spec.name, "model.dropout = ", io::json_text(*dropout),
           ", expected null: dropout is for training");
  spec.ignore_merges = model->flag_or("ignore_merges", false);
  spec.byte_fallback = model->flag_or("byte_fallback", false);
  spec.fuse_unknown = model->flag_or("fuse_unk", false);
  read_vocabulary(*model, spec);
  read_merges(*model, spec);
  const std::string unknown = model->text_or("unk_token", "");
  for (std::size_t id = 0; !unknown.empty() && id < spec.pieces.size(); ++id)
    if (spec.pieces[id] == unknown) spec.unknown = static_cast<int>(id);
  expect(unknown.empty() || spec.unknown >= 0, spec.name, "model.unk_token = ", io::quoted(unknown), " is not in model.vocab");
}

void read_added_tokens(const io::JsonFields& root, TokenizerSpec& spec) {
  const json::value* list = root.find("added_tokens");
  if (!list) return;
  if (!list->is_array()) root.fail_field("added_tokens", "an array of objects");
  std::unordered_map<std::string, int> ids;  // of the model: an added token that is there too has the same id
  for (std::size_t id = 0; id < spec.pieces.size(); ++id) ids.emplace(spec.pieces[id], static_cast<int>(id));
  const std::size_t entries = spec.pieces.size() + list->get_array().size();
  for (const json::value& value : list->get_array()) {
    if (!value.is_object()) root.fail_field("added_tokens", "an array of objects");
    const io::JsonFields fields(value.get_object(), spec.name, "added_tokens[].");
    AddedToken token;
    token.text = fields.text("content");
    if (token.text.empty()) continue;
    token.id = checked_id(spec, fields.find("id"), "added_tokens", token.text, entries);
    const auto known = ids.emplace(token.text, token.id).first;
    if (known->second != token.id)
      fail(spec.name, "added_tokens gives ", io::quoted(token.text), " the id ", token.id, ", but it has the id ", known->second,
           " already");
    token.special = fields.flag_or("special", false);
    token.lstrip = fields.flag_or("lstrip", false);
    token.rstrip = fields.flag_or("rstrip", false);
    token.single_word = fields.flag_or("single_word", false);
    token.normalized = fields.flag_or("normalized", !token.special);
    place(spec, token.id, token.text);
    TokenKind& kind = spec.kinds[static_cast<std::size_t>(token.id)];
    kind = token.id == spec.unknown ? TokenKind::unknown : token.special ? TokenKind::control : TokenKind::user_defined;
    if (token.special) spec.in_model[static_cast<std::size_t>(token.id)] = false;
    spec.added.push_back(std::move(token));
  }
  // A control token is never made from text, not even by a file that has merges for it.
  std::vector<Merge> kept;
  kept.reserve(spec.merges.size());
  for (const Merge& merge : spec.merges)
    if (spec.in_model[static_cast<std::size_t>(merge.result)]) kept.push_back(merge);
  spec.merges = std::move(kept);
}

}  // namespace vernier::text
