// GGUF files with a tokenizer, made from the test data.
#pragma once

#include <boost/json.hpp>

#include "common/io/gguf.hpp"
#include "support/files.hpp"
#include "support/gguf_writer.hpp"
#include "text/tokenizer_vectors.hpp"

namespace vernier::test {

inline std::string raw_ints(const std::vector<int>& values) {
  std::string out;
  for (const int value : values) out += raw<std::int32_t>(value);
  return out;
}

inline std::string raw_floats(const std::vector<float>& values) {
  std::string out;
  for (const float value : values) out += raw(value);
  return out;
}

/// Writes, opens and reads it.
inline text::Tokenizer open_tokenizer(const GgufWriter& file) {
  const TemporaryFolder folder;
  const io::Gguf gguf{io::MappedFile(folder.write("model.gguf", file.bytes()))};
  return text::Tokenizer::from_gguf(gguf);
}

/// The vocabulary and merges of a tokenizer.json as a converter would store them.
inline GgufWriter gguf_from_json(const std::string& json, const std::string& pre) {
  namespace js = boost::json;
  const js::value root = js::parse(json);
  const js::object& model = root.as_object().at("model").as_object();
  std::vector<std::string> pieces;
  std::vector<int> types;
  const auto place = [&](std::string_view piece, std::int64_t id, int type) {
    const auto at = static_cast<std::size_t>(id);
    if (at >= pieces.size()) pieces.resize(at + 1), types.resize(at + 1);
    pieces[at] = piece;
    types[at] = type;
  };
  for (const auto& [key, value] : model.at("vocab").as_object()) place({key.data(), key.size()}, value.as_int64(), 1);
  for (const js::value& token : root.as_object().at("added_tokens").as_array()) {
    const js::object& fields = token.as_object();
    const js::string& content = fields.at("content").as_string();
    place({content.data(), content.size()}, fields.at("id").as_int64(), fields.at("special").as_bool() ? 3 : 4);
  }
  std::vector<std::string> merges;
  for (const js::value& merge : model.at("merges").as_array())
    merges.push_back(std::string(merge.as_array()[0].as_string()) + " " + std::string(merge.as_array()[1].as_string()));
  GgufWriter file;
  file.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", pre).texts("tokenizer.ggml.tokens", pieces);
  file.array("tokenizer.ggml.token_type", 5, types.size(), raw_ints(types)).texts("tokenizer.ggml.merges", merges);
  return file;
}

/// scored.txt: a SentencePiece vocabulary.
inline GgufWriter gguf_scored() {
  std::vector<std::string> pieces;
  std::vector<float> scores;
  std::vector<int> types;
  for (const auto& row : read_table("scored.txt")) {
    if (row[0] != "token") continue;
    pieces.push_back(unescape(row[1]));
    scores.push_back(std::stof(row[2]));
    types.push_back(std::stoi(row[3]));
  }
  GgufWriter file;
  file.text("tokenizer.ggml.model", "llama").text("tokenizer.ggml.pre", "default").texts("tokenizer.ggml.tokens", pieces);
  file.array("tokenizer.ggml.token_type", 5, types.size(), raw_ints(types));
  file.array("tokenizer.ggml.scores", 6, scores.size(), raw_floats(scores));
  file.u32("tokenizer.ggml.bos_token_id", 1).u32("tokenizer.ggml.eos_token_id", 2).u32("tokenizer.ggml.unknown_token_id", 0);
  return file;
}

}  // namespace vernier::test
