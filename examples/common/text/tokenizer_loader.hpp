// What both loaders share: the table of pre-tokenizers by name and by pattern, and the checks of a finished description.
// Internal to the tokenizer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/text/tokenizer.hpp"
#include "common/text/tokenizer_spec.hpp"

namespace vernier::text {

/// A pre-tokenizer as GGUF files name it in tokenizer.ggml.pre.
struct NamedPreTokenizer {
  std::string_view name;
  std::vector<SplitStep> steps;
  bool ignore_merges = false;
  bool add_bos = false;  // where the file does not say
};
/// Null if the name is not known.
const NamedPreTokenizer* find_pre_tokenizer(std::string_view name);
/// "gpt-2, llama-bpe, ..." for messages.
std::string known_pre_tokenizers();

/// The hand-written scanner for a pattern of tokenizer.json, or false if there is none.
bool known_pattern(std::string_view pattern, SplitStep& step);

/// Checks what both kinds of file must keep to (each spelling once, ids in range) and makes the tokenizer.
Tokenizer make_tokenizer(TokenizerSpec spec);

}  // namespace vernier::text
