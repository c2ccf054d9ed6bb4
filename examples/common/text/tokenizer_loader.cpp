// Names and patterns of pre-tokenizers, and the last checks before a tokenizer is made.
#include "common/text/tokenizer_loader.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "common/io/names.hpp"
#include "common/text/tokenizer_impl.hpp"
#include "vernier/core/error.hpp"

namespace vernier::text {
namespace {

const std::vector<NamedPreTokenizer>& table() {
  using Kind = SplitStep::Kind;
  static const std::vector<SplitStep> gpt2 = {{.kind = Kind::gpt2}};
  static const std::vector<SplitStep> smollm = {{.kind = Kind::digits}, {.kind = Kind::gpt2}};
  static const std::vector<SplitStep> llama3 = {{.kind = Kind::llama3, .max_digits = 3}};
  static const std::vector<SplitStep> qwen2 = {{.kind = Kind::llama3, .max_digits = 1}};
  static const std::vector<NamedPreTokenizer> names = {
      {"gpt-2", gpt2},
      {"phi-2", gpt2},
      {"olmo", gpt2},
      {"mellum", gpt2},
      {"gigachat", gpt2},
      {"smollm", smollm},
      {"starcoder", smollm},
      {"refact", smollm},
      {"codeshell", smollm},
      {"command-r", smollm},
      {"llama-bpe", llama3, true, true},
      {"llama3", llama3, true, true},
      {"llama-v3", llama3, true, true},
      {"falcon3", llama3, true, true},
      {"falcon-h1", llama3, true, true},
      {"pixtral", llama3, true, true},
      {"lfm2", llama3, true, true},
      {"smaug-bpe", llama3},
      {"dbrx", llama3},
      {"qwen2", qwen2},
      {"deepseek-r1-qwen", qwen2},
      {"stablelm2", qwen2},
      {"megrez", qwen2},
  };
  return names;
}

}  // namespace

const NamedPreTokenizer* find_pre_tokenizer(std::string_view name) {
  for (const NamedPreTokenizer& known : table())
    if (known.name == name) return &known;
  return nullptr;
}

std::string known_pre_tokenizers() {
  std::string out;
  for (const NamedPreTokenizer& known : table()) out += (out.empty() ? "" : ", ") + std::string(known.name);
  return out;
}

bool known_pattern(std::string_view pattern, SplitStep& step) {
  static constexpr std::string_view gpt2[] = {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
                                              R"('s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
                                              R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"};
  static constexpr std::string_view before = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)";
  static constexpr std::string_view after = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  if (std::find(std::begin(gpt2), std::end(gpt2), pattern) != std::end(gpt2)) {
    step.kind = SplitStep::Kind::gpt2;
    return true;
  }
  if (pattern.size() < before.size() + after.size() || !pattern.starts_with(before) || !pattern.ends_with(after)) return false;
  const std::string_view digits = pattern.substr(before.size(), pattern.size() - before.size() - after.size());
  if (digits != R"(\p{N}{1,3})" && digits != R"(\p{N})") return false;
  step.kind = SplitStep::Kind::llama3;
  step.max_digits = digits == R"(\p{N})" ? 1 : 3;
  return true;
}

Tokenizer make_tokenizer(TokenizerSpec spec) {
  const std::size_t size = spec.pieces.size();
  expect(size > 0, spec.name, "the vocabulary is empty");
  spec.kinds.resize(size, TokenKind::normal);
  spec.in_model.resize(size, true);
  std::unordered_map<std::string_view, std::size_t> seen;
  seen.reserve(size);
  for (std::size_t id = 0; id < size; ++id) {
    if (spec.pieces[id].empty()) continue;
    const auto [first, fresh] = seen.emplace(spec.pieces[id], id);
    if (!fresh)
      fail(spec.name, "tokens ", first->second, " and ", id, " are both spelled ", io::quoted(spec.pieces[id]),
           "; a vocabulary has each spelling once");
  }
  const auto check = [&](int id, std::string_view what) {
    expect(id >= -1 && id < static_cast<int>(size), spec.name, what, " is token ", id, ", the vocabulary has ids 0 to ", size - 1);
  };
  check(spec.bos, "the beginning of text");
  check(spec.eos, "the end of text");
  check(spec.eot, "the end of a turn");
  check(spec.unknown, "the unknown token");
  for (const int id : spec.end_ids) check(id, "an end of generation");
  for (const int id : spec.prefix) check(id, "a token of the post-processor's template");
  for (const int id : spec.suffix) check(id, "a token of the post-processor's template");
  // They are looked for at every byte of a text, so their length bounds the work per byte.
  constexpr std::size_t max_added_bytes = 1024;
  for (const AddedToken& token : spec.added)
    expect(token.text.size() <= max_added_bytes, spec.name, "the added token ", token.id, " has ", token.text.size(), " bytes, at most ",
           max_added_bytes, " are supported");
  for (std::size_t id = 0; id < spec.scores.size(); ++id)
    expect(!std::isnan(spec.scores[id]), spec.name, "the score of token ", id, " is not a number");
  return Tokenizer(std::make_shared<const Tokenizer::Impl>(std::move(spec)));
}

}  // namespace vernier::text
