// tokenizer.json of every kind against the ids and texts of the `tokenizers` package.
#include "text/tokenizer_vectors.hpp"

namespace vernier {
namespace {

text::Tokenizer small(const std::string& kind) {
  return text::Tokenizer::from_json({.name = kind, .tokenizer = test::read_data("small_" + kind + ".json")});
}

class TokenizerJson : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerJson, AgreesWithHuggingFace) {
  EXPECT_GT(test::check_vectors(small(GetParam()), concat("small_", GetParam(), ".txt")), 200u);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenizerJson, testing::Values("gpt2", "smollm", "llama3", "qwen2", "llama2", "mistral", "pattern"),
                         [](const auto& info) { return std::string(info.param); });

TEST(TokenizerJson, TemplateGivesTheBeginningOfText) {
  const text::Tokenizer llama3 = small("llama3");
  EXPECT_TRUE(llama3.add_bos_by_default());
  EXPECT_EQ(llama3.bos(), llama3.find("<|begin_of_text|>"));
  const std::vector<int> plain = llama3.encode("the");
  std::vector<int> with_bos = {llama3.bos()};
  with_bos.insert(with_bos.end(), plain.begin(), plain.end());
  EXPECT_EQ(llama3.encode("the", {.add_bos = true}), with_bos);
  EXPECT_FALSE(small("gpt2").add_bos_by_default());
  EXPECT_EQ(small("gpt2").bos(), -1);
}

TEST(TokenizerJson, FilesBesideItNameTheSpecialTokens) {
  text::TokenizerSources sources{.name = "x", .tokenizer = test::read_data("small_gpt2.json")};
  sources.tokenizer_config = R"({"bos_token": {"content": "<|endoftext|>"}, "eos_token": "<|im_end|>", "add_bos_token": true})";
  sources.generation_config = R"({"eos_token_id": [2, 7], "bos_token_id": 1})";
  sources.config = R"({"eos_token_id": 9})";
  const text::Tokenizer tokenizer = text::Tokenizer::from_json(sources);
  EXPECT_EQ(tokenizer.bos(), 0);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_TRUE(tokenizer.add_bos_by_default());
  // Those that the files name, and <|endoftext|> (0) and <|im_end|> (2) for their names; not those of config.json, which comes last.
  EXPECT_EQ(tokenizer.end_ids(), (std::vector<int>{0, 2, 7}));
  EXPECT_TRUE(tokenizer.is_end(7));
  EXPECT_FALSE(tokenizer.is_end(1));
}

TEST(TokenizerJson, KindsOfToken) {
  const text::Tokenizer tokenizer = small("gpt2");
  EXPECT_TRUE(tokenizer.is_control(tokenizer.find("<|im_end|>")));
  EXPECT_FALSE(tokenizer.is_control(tokenizer.find("<tool>")));
  EXPECT_EQ(tokenizer.find("no such token"), -1);
  const int the = tokenizer.find("\u0120the");
  ASSERT_GE(the, 0);
  EXPECT_EQ(tokenizer.piece(the), "\u0120the");
  EXPECT_EQ(tokenizer.bytes(the), " the");
  EXPECT_THROW(tokenizer.piece(-1), Error);
  EXPECT_THROW(tokenizer.bytes(tokenizer.size()), Error);
  EXPECT_THROW(tokenizer.decode(std::vector<int>{tokenizer.size()}), Error);
}

}  // namespace
}  // namespace vernier
