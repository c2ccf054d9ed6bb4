// Pieces of trusted and untrusted text: the ids are those of the joined text, and what a user types is never a control token.
#include <random>

#include "text/tokenizer_gguf.hpp"

namespace vernier {
namespace {

std::vector<text::Tokenizer> all_kinds() {
  std::vector<text::Tokenizer> kinds;
  for (const char* kind : {"gpt2", "smollm", "llama3", "qwen2", "llama2", "mistral", "pattern"})
    kinds.push_back(text::Tokenizer::from_json({.name = kind, .tokenizer = test::read_data(concat("small_", kind, ".json"))}));
  kinds.push_back(test::open_tokenizer(test::gguf_scored()));
  return kinds;
}

std::vector<std::string> texts() {
  std::vector<std::string> out;
  for (const auto& row : test::read_table("small_gpt2.txt"))
    if (row[0] == "p") out.push_back(test::unescape(row[1]));
  return out;
}

TEST(TokenizerTrust, BordersOfPiecesChangeNothing) {
  const std::vector<std::string> all = texts();
  std::mt19937 bits(3);
  for (const text::Tokenizer& tokenizer : all_kinds()) {
    for (const std::string& text : all) {
      std::vector<text::Piece> pieces;
      for (std::size_t at = 0; at < text.size();) {  // cut anywhere, even inside a character
        const std::size_t length = std::min<std::size_t>(text.size() - at, bits() % 7);
        pieces.push_back({text.substr(at, length), false});
        at += length;
      }
      EXPECT_EQ(tokenizer.encode(pieces), tokenizer.encode(text)) << text;
      for (text::Piece& piece : pieces) piece.trusted = true;
      EXPECT_EQ(tokenizer.encode(pieces), tokenizer.encode(text, {.special = true})) << text;
    }
  }
}

TEST(TokenizerTrust, ControlTokensTypedByAUserAreText) {
  for (const text::Tokenizer& tokenizer : all_kinds()) {
    for (int id = 0; id < tokenizer.size(); ++id) {
      if (!tokenizer.is_control(id)) continue;
      const std::string& spelled = tokenizer.piece(id);
      const text::Piece pieces[] = {{spelled, true}, {"a " + spelled + " b", false}, {spelled, true}};
      const std::vector<int> ids = tokenizer.encode(std::span(pieces));
      // A special token that is to be found in normalised text (small_llama2's <pad>) has a space in front, which only the first has.
      const bool normalized = spelled == "<pad>";
      std::ptrdiff_t controls = 0;
      for (const int one : ids) controls += tokenizer.is_control(one) ? 1 : 0;
      EXPECT_EQ(controls, normalized ? 1 : 2) << spelled;
      EXPECT_EQ(ids.front(), id) << spelled;
      EXPECT_NE(tokenizer.decode(ids).find("a " + spelled + " b"), std::string::npos) << tokenizer.decode(ids);
      for (const int one : tokenizer.encode(spelled)) EXPECT_FALSE(tokenizer.is_control(one)) << spelled;
    }
  }
}

TEST(TokenizerTrust, ASpecialTokenLiesInTrustedTextAsAWhole) {
  const text::Tokenizer tokenizer = all_kinds().front();
  const int end = tokenizer.find("<|im_end|>");
  const text::Piece split_by_user[] = {{"<|im_", true}, {"end|>", false}};
  for (const int id : tokenizer.encode(std::span(split_by_user))) EXPECT_NE(id, end);
  const text::Piece around_nothing[] = {{"<|im_", true}, {"", false}, {"end|>", true}};
  EXPECT_EQ(tokenizer.encode(std::span(around_nothing)), (std::vector<int>{end}));
}

TEST(TokenizerTrust, MergesAreNeverControlTokens) {
  // A file whose merges spell <s>: the last merge must not happen, though the file asks for it.
  text::TokenizerSources sources{.name = "hostile"};
  sources.tokenizer = R"({"model": {"type": "BPE", "vocab": {"<": 0, "s": 1, ">": 2, "<s": 3, "<s>": 4}, "ignore_merges": true,
      "merges": ["< s", "<s >"]}, "added_tokens": [{"id": 4, "content": "<s>", "special": true}],
      "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}})";
  const text::Tokenizer tokenizer = text::Tokenizer::from_json(sources);
  EXPECT_EQ(tokenizer.encode("<s>"), (std::vector<int>{3, 2}));
  EXPECT_EQ(tokenizer.encode("<s>", {.special = true}), (std::vector<int>{4}));
}

}  // namespace
}  // namespace vernier
