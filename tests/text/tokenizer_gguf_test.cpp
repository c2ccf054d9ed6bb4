// Tokenizers from GGUF metadata: the same ids as from tokenizer.json, SentencePiece by scores, and llama.cpp's defaults.
#include "text/tokenizer_gguf.hpp"

namespace vernier {
namespace {

struct Kind {
  const char* data;
  const char* pre;
};
class TokenizerGguf : public testing::TestWithParam<Kind> {};

TEST_P(TokenizerGguf, AgreesWithHuggingFace) {
  const auto [data, pre] = GetParam();
  const text::Tokenizer tokenizer = test::open_tokenizer(test::gguf_from_json(test::read_data(concat("small_", data, ".json")), pre));
  EXPECT_GT(test::check_vectors(tokenizer, concat("small_", data, ".txt")), 200u);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenizerGguf,
                         testing::Values(Kind{"gpt2", "gpt-2"}, Kind{"smollm", "smollm"}, Kind{"llama3", "llama-bpe"}),
                         [](const auto& info) { return std::string(info.param.data); });

TEST(TokenizerGguf, Qwen2IsNotNormalised) {
  const std::string json = test::read_data("small_qwen2.json");
  const text::Tokenizer gguf = test::open_tokenizer(test::gguf_from_json(json, "qwen2"));
  const text::Tokenizer folder = text::Tokenizer::from_json({.name = "qwen2", .tokenizer = json});
  EXPECT_EQ(gguf.encode("\u00e9 12'LL"), folder.encode("\u00e9 12'LL"));
  EXPECT_EQ(folder.encode("e\u0301"), folder.encode("\u00e9"));
  EXPECT_NE(gguf.encode("e\u0301"), gguf.encode("\u00e9"));
  EXPECT_EQ(gguf.decode(gguf.encode("e\u0301")), "e\u0301");
}

TEST(TokenizerGguf, ScoresDecideMerges) {
  const text::Tokenizer tokenizer = test::open_tokenizer(test::gguf_scored());
  std::size_t count = 0;
  for (const auto& row : test::read_table("scored.txt")) {
    if (row[0] != "p") continue;
    const std::string text = test::unescape(row[1]);
    EXPECT_EQ(tokenizer.encode(text), test::parse_ids(row[2])) << row[1];
    ++count;
  }
  EXPECT_GT(count, 200u);
}

TEST(TokenizerGguf, SpaceInFrontOfTextAndAfterSpecialTokens) {
  const text::Tokenizer tokenizer = test::open_tokenizer(test::gguf_scored());
  const int the = tokenizer.find("\u2581the"), mark = tokenizer.find("\u2581"), a = tokenizer.find("a");
  EXPECT_EQ(tokenizer.encode("<s>the</s>a", {.special = true}), (std::vector<int>{1, the, 2, mark, a}));
  EXPECT_EQ(tokenizer.encode("", {.add_bos = true}), (std::vector<int>{1}));
  test::GgufWriter without = test::gguf_scored();
  without.flag("tokenizer.ggml.add_space_prefix", false).flag("tokenizer.ggml.add_bos_token", false);
  const text::Tokenizer bare = test::open_tokenizer(without);
  EXPECT_EQ(bare.encode("a"), (std::vector<int>{a}));
  EXPECT_EQ(bare.decode(bare.encode(" a")), " a");
  EXPECT_FALSE(bare.add_bos_by_default());
}

TEST(TokenizerGguf, DefaultsOfBosAndEnds) {
  EXPECT_TRUE(test::open_tokenizer(test::gguf_scored()).add_bos_by_default());
  test::GgufWriter file = test::gguf_from_json(test::read_data("small_llama3.json"), "llama-bpe");
  EXPECT_FALSE(test::open_tokenizer(file).add_bos_by_default()) << "there is no id to put in front";
  file.u32("tokenizer.ggml.bos_token_id", 0).u32("tokenizer.ggml.eos_token_id", 1).u32("tokenizer.ggml.eot_token_id", 5);
  const text::Tokenizer llama3 = test::open_tokenizer(file);
  EXPECT_TRUE(llama3.add_bos_by_default());
  EXPECT_EQ(llama3.eot(), 5);
  EXPECT_EQ(llama3.end_ids(), (std::vector<int>{1, 5}));
  file.text("tokenizer.ggml.pre", "gpt-2");
  EXPECT_FALSE(test::open_tokenizer(file).add_bos_by_default());
}

TEST(TokenizerGguf, EndOfTurnIsControlWhateverItsType) {
  test::GgufWriter file = test::gguf_from_json(test::read_data("small_gpt2.json"), "gpt-2");
  std::vector<int> types(static_cast<std::size_t>(test::open_tokenizer(file).size()), 1);
  file.array("tokenizer.ggml.token_type", 5, types.size(), test::raw_ints(types));
  const text::Tokenizer tokenizer = test::open_tokenizer(file);
  const int end = tokenizer.find("<|im_end|>");
  EXPECT_TRUE(tokenizer.is_control(end));
  EXPECT_TRUE(tokenizer.is_end(end));
  EXPECT_EQ(tokenizer.encode("<|im_end|>", {.special = true}), (std::vector<int>{end}));
}

}  // namespace
}  // namespace vernier
