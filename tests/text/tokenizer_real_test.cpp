// Real vocabularies, which are not stored here: VERNIER_VOCABS names the folder with llama.cpp's ggml-vocab-*.gguf and their .inp and
// .out files, VERNIER_MODEL the GGUF file of SmolLM2. Without them these tests are skipped.
#include <algorithm>
#include <cstdlib>

#include "common/io/gguf.hpp"
#include "text/tokenizer_vectors.hpp"

namespace vernier {
namespace {

text::Tokenizer open(const std::string& path) { return text::Tokenizer::from_gguf(io::Gguf{io::MappedFile(path)}); }

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class TokenizerReal : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("VERNIER_VOCABS");
    if (!folder) GTEST_SKIP() << "VERNIER_VOCABS is not set";
    path_ = concat(folder, "/ggml-vocab-", GetParam(), ".gguf");
  }
  std::string path_;
};

class TokenizerRealVectors : public TokenizerReal {};

TEST_P(TokenizerRealVectors, AgreesWithHuggingFace) {
  EXPECT_GT(test::check_vectors(open(path_), concat("real_", GetParam(), ".txt")), 150u);
}

TEST_P(TokenizerReal, AgreesWithLlamaCpp) {
  const text::Tokenizer tokenizer = open(path_);
  const std::string inputs = read_file(path_ + ".inp"), outputs = read_file(path_ + ".out"), border = "\n__ggml_vocab_test__\n";
  ASSERT_FALSE(inputs.empty() || outputs.empty()) << path_;
  std::istringstream lines(outputs);
  std::string line;
  for (std::size_t at = 0; at <= inputs.size() && std::getline(lines, line);) {
    const std::size_t end = std::min(inputs.find(border, at), inputs.size());
    const std::string text = inputs.substr(at, end - at);
    EXPECT_EQ(tokenizer.encode(text), test::parse_ids(line)) << text;
    at = end + border.size();
  }
}

std::string test_name(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, TokenizerRealVectors, testing::Values("llama-spm", "llama-bpe", "qwen2", "gpt-2"), test_name);
INSTANTIATE_TEST_SUITE_P(Vocabularies, TokenizerReal,
                         testing::Values("llama-spm", "llama-bpe", "qwen2", "gpt-2", "starcoder", "refact", "command-r"), test_name);

TEST(TokenizerReal, SmolLM2AgreesWithHuggingFace) {
  const char* model = std::getenv("VERNIER_MODEL");
  if (!model) GTEST_SKIP() << "VERNIER_MODEL is not set";
  const text::Tokenizer tokenizer = open(model);
  EXPECT_GT(test::check_vectors(tokenizer, "real_smollm2.txt"), 150u);
  EXPECT_EQ(tokenizer.eos(), tokenizer.find("<|im_end|>"));
  EXPECT_TRUE(tokenizer.is_end(tokenizer.eos()));
  std::size_t dropped = 0;
  for (int byte = 0; byte < 256; ++byte) {
    text::EncodeReport report;
    tokenizer.encode(std::string(1, static_cast<char>(byte)), {}, &report);
    dropped += report.dropped_bytes;
  }
  EXPECT_EQ(dropped, 21u);
}

}  // namespace
}  // namespace vernier
