// Decoding: bytes that are no UTF-8, ids as they come, SentencePiece's first space, and what encoding drops.
#include "text/tokenizer_gguf.hpp"

namespace vernier {
namespace {

text::Tokenizer small(const std::string& kind) {
  return text::Tokenizer::from_json({.name = kind, .tokenizer = test::read_data("small_" + kind + ".json")});
}

TEST(TokenizerDecode, BrokenUtf8ComesBackAsItWas) {
  const std::string texts[] = {"\xff",           "a\x80z",         "\xc3",           "\xe2\x82",
                               "\xf0\x9f\x98 y", "\xed\xa0\x80",   "\xc0\xaf",       "\xf4\x90\x80\x80",
                               "y \xe2\x82's\n", "1\xff\x32 \xfe", "e\xcc \xcc\x81", "\xf0\x9f\x98\x80\x80"};
  for (const char* kind : {"gpt2", "llama3", "qwen2", "llama2", "mistral", "pattern"}) {
    const text::Tokenizer tokenizer = small(kind);
    for (const std::string& text : texts) {
      text::EncodeReport report;
      const std::vector<int> ids = tokenizer.encode(text, {}, &report);
      EXPECT_EQ(tokenizer.decode(ids, {.replace_invalid = false}), text) << kind;
      EXPECT_EQ(report.dropped_bytes, 0u) << kind;
    }
  }
}

TEST(TokenizerDecode, ReplacesMaximalSubparts) {
  const text::Tokenizer tokenizer = small("gpt2");
  const auto lossy = [&](const std::string& text) { return tokenizer.decode(tokenizer.encode(text)); };
  EXPECT_EQ(lossy("a\xf0\x9f\x98z"), "a\ufffdz");          // three bytes of a character of four: one sign
  EXPECT_EQ(lossy("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");  // a surrogate: no byte of it starts anything
  EXPECT_EQ(lossy("\xf4\x90\x80\x80"), "\ufffd\ufffd\ufffd\ufffd");
  EXPECT_EQ(lossy("\xe2\x82"), "\ufffd");
}

TEST(TokenizerDecode, StreamingHoldsBackHalfCharacters) {
  const text::Tokenizer tokenizer = small("gpt2");
  const std::string text = "a\u00e9\u65e5\U0001f600 z";
  for (const bool replace : {true, false}) {
    text::Decoder decoder(tokenizer, {.replace_invalid = replace});
    std::string got;
    for (const int id : tokenizer.encode(text)) {
      const std::string part = decoder.push(id);
      for (std::size_t at = 0; at < part.size(); ++at) EXPECT_NE(part.substr(at, 3), "\ufffd");
      got += part;
      EXPECT_EQ(text.substr(0, got.size()), got);
    }
    EXPECT_EQ(got, text);
    EXPECT_EQ(decoder.flush(), "");
  }
  text::Decoder decoder(tokenizer);
  const std::vector<int> ids = tokenizer.encode("\U0001f600");
  ASSERT_GT(ids.size(), 1u) << "the small vocabulary has no token for this character";
  EXPECT_EQ(decoder.push(ids[0]), "");
  EXPECT_EQ(decoder.flush(), "\ufffd");
  EXPECT_EQ(decoder.push(tokenizer.encode("b")[0]), "b") << "after a flush it starts afresh";
}

TEST(TokenizerDecode, FirstSpaceOfSentencePiece) {
  const text::Tokenizer tokenizer = small("llama2");
  const std::vector<int> ids = tokenizer.encode("the then");
  EXPECT_EQ(tokenizer.decode(ids), "the then");
  EXPECT_EQ(tokenizer.decode(ids, {.continues = true}), " the then");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("  the")), "  the") << "one space goes, not all";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("the", {.add_bos = true}), {.skip_special = true}), "the");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("the", {.add_bos = true})), "<s> the");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a\u2581b")), "a b") << "U+2581 is how a space is spelled";
}

TEST(TokenizerDecode, SkipsControlTokensOnly) {
  const text::Tokenizer tokenizer = small("gpt2");
  const std::vector<int> ids = tokenizer.encode("<|im_start|><tool>x</tool><|im_end|>", {.special = true});
  EXPECT_EQ(tokenizer.decode(ids), "<|im_start|><tool>x</tool><|im_end|>");
  EXPECT_EQ(tokenizer.decode(ids, {.skip_special = true}), "<tool>x</tool>");
}

TEST(TokenizerDecode, CountsDroppedBytes) {
  // The small SmolLM vocabulary lacks the same 21 bytes as the real one.
  const text::Tokenizer tokenizer = small("smollm");
  std::size_t dropped = 0;
  for (int byte = 0; byte < 256; ++byte) {
    text::EncodeReport report;
    tokenizer.encode(std::string(1, static_cast<char>(byte)), {}, &report);
    dropped += report.dropped_bytes;
  }
  EXPECT_EQ(dropped, 21u);
  text::EncodeReport report;
  EXPECT_EQ(tokenizer.encode("!!\x04!", {}, &report), tokenizer.encode("!!!")) << "merges go across the gap, as in Hugging Face";
  EXPECT_EQ(report.dropped_bytes, 1u);
}

}  // namespace
}  // namespace vernier
