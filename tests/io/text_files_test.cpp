// Where chat templates and special tokens are found, in every place that real models have used.
#include "common/io/text_files.hpp"

#include <gtest/gtest.h>

#include "support/files.hpp"
#include "support/gguf_writer.hpp"
#include "vernier/core/error.hpp"

namespace vernier {
namespace {

TEST(TextFiles, AnEmptyFolderHasNone) {
  const test::TemporaryFolder folder;
  const io::TextFiles files = io::find_text_files(folder.path());
  EXPECT_TRUE(files.tokenizer_json.empty() && files.chat_template.empty() && files.bos_token.empty());
  EXPECT_FALSE(files.add_bos.has_value());
}

TEST(TextFiles, TokenizerConfig) {
  const test::TemporaryFolder folder;
  folder.write("tokenizer.json", "{}");
  folder.write("tokenizer_config.json",
               R"({"chat_template": "A", "bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "add_bos_token": true})");
  const io::TextFiles files = io::find_text_files(folder.path());
  EXPECT_EQ(files.tokenizer_json, folder.path("tokenizer.json"));
  EXPECT_EQ(files.chat_template, "A");
  EXPECT_EQ(files.chat_template_from, folder.path("tokenizer_config.json"));
  EXPECT_EQ(files.bos_token, "<s>");
  EXPECT_EQ(files.eos_token, "</s>");
  EXPECT_EQ(files.add_bos, std::optional(true));
  EXPECT_FALSE(files.add_eos.has_value());
}

TEST(TextFiles, AFileOfItsOwnWins) {
  const test::TemporaryFolder folder;
  folder.write("tokenizer_config.json", R"({"chat_template": "A"})");
  folder.write("chat_template.json", R"({"chat_template": "B"})");
  EXPECT_EQ(io::find_text_files(folder.path()).chat_template, "A");
  folder.write("chat_template.jinja", "C");
  EXPECT_EQ(io::find_text_files(folder.path()).chat_template, "C");
}

TEST(TextFiles, OneOfSeveralIsCalledDefault) {
  const test::TemporaryFolder folder;
  folder.write("tokenizer_config.json",
               R"({"chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]})");
  EXPECT_EQ(io::find_text_files(folder.path()).chat_template, "D");
}

TEST(TextFiles, DamageIsAnError) {
  const test::TemporaryFolder folder;
  folder.write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_THROW(io::find_text_files(folder.path()), Error);
  folder.write("tokenizer_config.json", R"({"bos_token": {"id": 5}})");
  EXPECT_THROW(io::find_text_files(folder.path()), Error);
  folder.write("tokenizer_config.json", "{}");
  folder.write("chat_template.jinja", "\xff");
  EXPECT_THROW(io::find_text_files(folder.path()), Error);
}

TEST(TextFiles, Gguf) {
  const test::TemporaryFolder folder;
  test::GgufWriter file = test::small_llama();
  file.text("tokenizer.chat_template", "T").flag("tokenizer.ggml.add_bos_token", false);
  const io::TextFiles files = io::find_text_files(io::open_checkpoint(folder.write("a.gguf", file.bytes())));
  EXPECT_EQ(files.chat_template, "T");
  EXPECT_EQ(files.bos_token, "b");
  EXPECT_EQ(files.eos_token, "c");
  EXPECT_EQ(files.add_bos, std::optional(false));
  EXPECT_TRUE(files.tokenizer_json.empty());
}

}  // namespace
}  // namespace vernier
