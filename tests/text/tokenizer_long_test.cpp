// Long texts without a place to cut: every step must be (nearly) linear. The bound is generous enough for sanitizers on a busy machine;
// a quadratic step would need minutes.
#include <chrono>

#include "text/tokenizer_gguf.hpp"

namespace vernier {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t bytes = std::size_t{1} << 15;
#else
constexpr std::size_t bytes = std::size_t{1} << 18;
#endif

std::string repeated(std::string_view unit) {
  std::string out;
  out.reserve(bytes + unit.size());
  while (out.size() < bytes) out += unit;
  return out;
}

void check(const text::Tokenizer& tokenizer, const std::string& text, const std::string& back) {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<int> ids = tokenizer.encode(text);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 10) << text.substr(0, 10);
  EXPECT_EQ(tokenizer.decode(ids, {.replace_invalid = false}) == back, true) << text.substr(0, 10);
}

TEST(TokenizerLong, EveryStepIsLinear) {
  std::vector<text::Tokenizer> kinds;
  for (const char* kind : {"gpt2", "llama3", "llama2", "pattern"})
    kinds.push_back(text::Tokenizer::from_json({.name = kind, .tokenizer = test::read_data(concat("small_", kind, ".json"))}));
  kinds.push_back(test::open_tokenizer(test::gguf_scored()));
  for (const std::string unit : {"a", " ", "\n", " \n", "'", "1", "\u00a0", "<|im", "\xff"}) {
    const std::string text = repeated(unit);
    for (const text::Tokenizer& tokenizer : kinds) check(tokenizer, text, text);
  }
}

}  // namespace
}  // namespace vernier
