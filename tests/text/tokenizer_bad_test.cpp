// Damaged and hostile tokenizers: each is refused with a message that docs/errors.md quotes.
#include <cmath>
#include <functional>

#include "support/bad_files.hpp"
#include "text/tokenizer_gguf.hpp"

namespace vernier {
namespace {

using test::GgufWriter;

constexpr const char* small_json = R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
 "added_tokens": [{"id": 3, "content": "<s>", "special": true}], "normalizer": null,
 "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "post_processor": null, "decoder": {"type": "ByteLevel"}})";

struct Case {
  const char* defect;
  std::function<void(const test::TemporaryFolder&)> write;
};

/// tokenizer.json with one part of its text replaced.
Case changed(const char* defect, std::string_view from, std::string_view to) {
  return {defect, [=](const test::TemporaryFolder& folder) {
            std::string json = small_json;
            const std::size_t at = json.find(from);
            ASSERT_NE(at, std::string::npos) << from;
            folder.write("tokenizer.json", json.replace(at, from.size(), to));
          }};
}

Case beside(const char* defect, const char* file, const char* text) {
  return {defect, [=](const test::TemporaryFolder& folder) {
            folder.write("tokenizer.json", small_json);
            folder.write(file, text);
          }};
}

const std::vector<Case>& folder_cases() {
  static const std::vector<Case> cases = {
      {"no tokenizer.json", [](const test::TemporaryFolder&) {}},
      changed("cut off in the middle", R"("merges": ["a b"]},)", "\"mer"),
      changed("another model", R"("type": "BPE")", R"("type": "Unigram")"),
      changed("no vocabulary", R"({"a": 0, "b": 1, "ab": 2})", "[]"),
      changed("a negative id", R"("ab": 2)", R"("ab": -2)"),
      changed("an id beyond 32 bits", R"("ab": 2)", R"("ab": 4294967298)"),
      changed("a huge id", R"("ab": 2)", R"("ab": 2000000000)"),
      changed("an id that is a string", R"("ab": 2)", R"("ab": "2")"),
      changed("two tokens of one id", R"("ab": 2)", R"("ab": 1)"),
      changed("a merge of a missing token", "\"a b\"", "\"a c\""),
      changed("a merge into a missing token", "\"a b\"", "\"b a\""),
      changed("a merge of one token", "\"a b\"", "\"a\""),
      changed("a merge of three tokens", "\"a b\"", R"(["a", "b", "a"])"),
      changed("a merge that is a number", "\"a b\"", "1"),
      changed("an added token under a second id", R"("content": "<s>")", R"("content": "ab")"),
      changed("an added token under the id of another", R"("id": 3)", R"("id": 0)"),
      changed("an added token without an id", R"("id": 3, )", ""),
      changed("an unknown token that is not there", R"("type": "BPE")", R"("type": "BPE", "unk_token": "<unk>")"),
      changed("dropout", R"("type": "BPE")", R"("type": "BPE", "dropout": 0.1)"),
      changed("a suffix of words", R"("type": "BPE")", R"("type": "BPE", "end_of_word_suffix": "</w>")"),
      changed("an unknown normaliser", R"("normalizer": null)", R"("normalizer": {"type": "BertNormalizer"})"),
      changed("an unknown pre-tokenizer", R"({"type": "ByteLevel", "add_prefix_space": false})", R"({"type": "BertPreTokenizer"})"),
      changed("a pattern that does not compile", R"({"type": "ByteLevel", "add_prefix_space": false})",
              R"({"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"})"),
      changed("an unknown behaviour", R"({"type": "ByteLevel", "add_prefix_space": false})",
              R"({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Sideways"})"),
      changed("an unknown decoder", R"({"type": "ByteLevel"}})", R"({"type": "WordPiece"}})"),
      changed("neither bytes nor byte fallback", R"({"type": "ByteLevel", "add_prefix_space": false})", "null"),
      changed(
          "a template with an id outside the vocabulary", R"("post_processor": null)",
          R"("post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}], "special_tokens": {"x": {"ids": [9]}}})"),
      changed("a template without its token", R"("post_processor": null)",
              R"("post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}]})"),
      beside("a beginning of text that is not there", "tokenizer_config.json", R"({"bos_token": "<bos>"})"),
      beside("an end outside the vocabulary", "generation_config.json", R"({"eos_token_id": [3, 4]})"),
  };
  return cases;
}

GgufWriter small_gguf() {
  GgufWriter file;
  file.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "gpt-2").texts("tokenizer.ggml.tokens", {"a", "b", "ab", "<s>"});
  return file.array("tokenizer.ggml.token_type", 5, 4, test::raw_ints({1, 1, 1, 3})).texts("tokenizer.ggml.merges", {"a b"});
}

Case gguf(const char* defect, void (*change)(GgufWriter&)) {
  return {defect, [=](const test::TemporaryFolder& folder) {
            GgufWriter file = small_gguf();
            change(file);
            folder.write("model.gguf", file.bytes());
          }};
}

void scores(GgufWriter& file, const std::vector<float>& values) {
  file.text("tokenizer.ggml.model", "llama").array("tokenizer.ggml.scores", 6, values.size(), test::raw_floats(values));
}

const std::vector<Case>& gguf_cases() {
  static const std::vector<Case> cases = {
      gguf("no tokenizer", [](GgufWriter& file) { file.erase("tokenizer.ggml.model"); }),
      gguf("another kind of tokenizer", [](GgufWriter& file) { file.text("tokenizer.ggml.model", "bert"); }),
      gguf("no tokens", [](GgufWriter& file) { file.erase("tokenizer.ggml.tokens"); }),
      gguf("an empty list of tokens", [](GgufWriter& file) { file.texts("tokenizer.ggml.tokens", {}).erase("tokenizer.ggml.token_type"); }),
      gguf("an unknown pre-tokenizer", [](GgufWriter& file) { file.text("tokenizer.ggml.pre", "tekken"); }),
      gguf("no pre-tokenizer", [](GgufWriter& file) { file.erase("tokenizer.ggml.pre"); }),
      gguf("fewer types than tokens", [](GgufWriter& file) { file.array("tokenizer.ggml.token_type", 5, 1, test::raw_ints({1})); }),
      gguf("an unknown type",
           [](GgufWriter& file) {
             file.array("tokenizer.ggml.token_type", 5, 4, test::raw_ints({1, 1, 7, 3}));
           }),
      gguf("two tokens of one spelling",
           [](GgufWriter& file) {
             file.texts("tokenizer.ggml.tokens", {"a", "b", "ab", "a"});
           }),
      gguf("no merges", [](GgufWriter& file) { file.erase("tokenizer.ggml.merges"); }),
      gguf("a merge of a missing token",
           [](GgufWriter& file) {
             file.texts("tokenizer.ggml.merges", {"a b", "a c"});
           }),
      gguf("a merge without a space", [](GgufWriter& file) { file.texts("tokenizer.ggml.merges", {"ab"}); }),
      gguf("an end of text outside the vocabulary", [](GgufWriter& file) { file.u32("tokenizer.ggml.eos_token_id", 4); }),
      gguf("a beginning of text of 2^32 - 1", [](GgufWriter& file) { file.u32("tokenizer.ggml.bos_token_id", 0xFFFFFFFF); }),
      gguf("no scores", [](GgufWriter& file) { file.text("tokenizer.ggml.model", "llama"); }),
      gguf("fewer scores than tokens",
           [](GgufWriter& file) {
             scores(file, {0, 0});
           }),
      gguf("a score that is not a number",
           [](GgufWriter& file) {
             scores(file, {0, 0, NAN, 0});
           }),
      gguf("an added token of 2000 bytes",
           [](GgufWriter& file) {
             file.texts("tokenizer.ggml.tokens", {"a", "b", "ab", std::string(2000, 'x')});
           }),
  };
  return cases;
}

template <class Open>
void run(const char* section, const std::vector<Case>& cases, Open open) {
  test::ErrorTable table(section);
  for (const Case& one : cases) {
    const test::TemporaryFolder folder;
    one.write(folder);
    std::size_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) bytes += entry.file_size();
    test::expect_refused(table, folder, one.defect, bytes, [&] { open(folder); });
  }
  table.check();
}

TEST(TokenizerBad, Folders) {
  run("tokenizer.json", folder_cases(), [](const test::TemporaryFolder& folder) { text::Tokenizer::from_folder(folder.path()); });
}

TEST(TokenizerBad, Gguf) {
  run("GGUF: tokenizer", gguf_cases(),
      [](const test::TemporaryFolder& folder) { text::Tokenizer::from_gguf(io::Gguf{io::MappedFile(folder.path("model.gguf"))}); });
}

}  // namespace
}  // namespace vernier
