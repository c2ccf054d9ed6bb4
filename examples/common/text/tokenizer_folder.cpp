// A tokenizer from a Hugging Face folder: tokenizer.json, and the ids of special tokens from the files beside it.
#include <sys/stat.h>

#include <algorithm>

#include "common/io/mapped_file.hpp"
#include "common/io/names.hpp"
#include "common/text/tokenizer_json.hpp"
#include "common/text/tokenizer_loader.hpp"
#include "vernier/core/error.hpp"

namespace vernier::text {
namespace {

namespace json = boost::json;

constexpr std::size_t max_tokenizer_bytes = std::size_t{256} << 20;
constexpr std::size_t max_config_bytes = std::size_t{16} << 20;

int id_of(const TokenizerSpec& spec, std::string_view piece) {
  for (std::size_t id = 0; id < spec.pieces.size(); ++id)
    if (spec.pieces[id] == piece) return static_cast<int>(id);
  return -1;
}

/// The path of `file` in the folder of tokenizer.json.
std::string beside(const std::string& name, std::string_view file) { return name.substr(0, name.rfind('/') + 1) + std::string(file); }

/// tokenizer_config.json: tokens by spelling, as a string or as an object with `content`.
void read_tokenizer_config(const std::string& text, TokenizerSpec& spec) {
  if (text.empty()) return;
  const io::JsonDocument document(beside(spec.name, "tokenizer_config.json"), text);
  const io::JsonFields fields(document.root(), document.file());
  const auto token = [&](const char* name) {
    const json::value* value = fields.find(name);
    if (!value) return -1;
    const std::string piece = value->is_object() ? fields.object(name)->text("content") : fields.text(name);
    const int id = id_of(spec, piece);
    expect(id >= 0 || piece.empty(), document.file(), name, " = ", io::quoted(piece), " is not in the vocabulary of tokenizer.json");
    return id;
  };
  spec.bos = token("bos_token");
  spec.eos = token("eos_token");
  spec.add_bos = fields.flag_or("add_bos_token", spec.add_bos);
}

/// generation_config.json or config.json: tokens by id. What an earlier file said stays.
void read_ids(const char* file, const std::string& text, TokenizerSpec& spec) {
  if (text.empty()) return;
  const io::JsonDocument document(beside(spec.name, file), text);
  const io::JsonFields fields(document.root(), document.file());
  const int last = static_cast<int>(spec.pieces.size()) - 1;
  // A model may say -1 for none, and lists are not used for bos.
  const std::vector<int> bos = fields.integers("bos_token_id", -1, last);
  if (spec.bos < 0 && !bos.empty()) spec.bos = bos.front();
  std::vector<int> ends = fields.integers("eos_token_id", -1, last);
  ends.erase(std::remove(ends.begin(), ends.end(), -1), ends.end());
  if (spec.eos < 0 && !ends.empty()) spec.eos = ends.front();
  if (spec.end_ids.empty()) spec.end_ids = ends;
}

std::string read_if_there(const std::string& path, std::size_t limit) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? io::read_text_file(path, limit) : std::string();
}

}  // namespace

Tokenizer Tokenizer::from_json(const TokenizerSources& sources) {
  const io::JsonDocument document(sources.name, sources.tokenizer);
  const io::JsonFields root(document.root(), sources.name);
  TokenizerSpec spec;
  spec.name = sources.name;
  read_model(root, spec);
  read_added_tokens(root, spec);
  expect(!spec.pieces.empty(), spec.name, "model.vocab is empty");
  read_normalizer(root, spec);
  read_pre_tokenizer(root, spec);
  read_decoder(root, spec);
  read_post_processor(root, spec);
  read_tokenizer_config(sources.tokenizer_config, spec);
  read_ids("generation_config.json", sources.generation_config, spec);
  read_ids("config.json", sources.config, spec);
  if (spec.bos < 0 && !spec.prefix.empty()) spec.bos = spec.prefix.front();
  spec.add_bos = spec.add_bos && spec.bos >= 0;
  return make_tokenizer(std::move(spec));
}

Tokenizer Tokenizer::from_folder(const std::string& folder) {
  TokenizerSources sources;
  sources.name = folder + "/tokenizer.json";
  sources.tokenizer = io::read_text_file(sources.name, max_tokenizer_bytes);
  sources.tokenizer_config = read_if_there(folder + "/tokenizer_config.json", max_config_bytes);
  sources.generation_config = read_if_there(folder + "/generation_config.json", max_config_bytes);
  sources.config = read_if_there(folder + "/config.json", max_config_bytes);
  return from_json(sources);
}

}  // namespace vernier::text
