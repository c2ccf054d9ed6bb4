// Where a model keeps what belongs to its text rather than its weights: the tokenizer's file, the chat template and the special tokens
// that templates refer to. Finding only; tokenizer and template are made in common/text.
#pragma once

#include <optional>
#include <string>

#include "common/io/checkpoint.hpp"

namespace vernier::io {

/// A field that is empty was not there. Paths exist when they are not empty.
struct TextFiles {
  std::string tokenizer_json;            // path; a GGUF file has its vocabulary in the metadata instead
  std::string tokenizer_config;          // path of tokenizer_config.json
  std::string chat_template;             // source text
  std::string chat_template_from;        // where it came from, for messages
  std::string bos_token, eos_token;      // their text, as templates see them
  std::optional<bool> add_bos, add_eos;  // whether encoding puts them around a text, if the files say so
};

/// The text files beside the weights of a Hugging Face folder. The template is chat_template.jinja, else the field chat_template of
/// tokenizer_config.json (the one called "default" if there are several), else chat_template.json. Throws Error when a file is
/// damaged; not when it is missing.
TextFiles find_text_files(const std::string& folder);

/// The same for a GGUF file: its template and special tokens.
TextFiles find_text_files(const Gguf& file);

/// Whichever of the two it is.
TextFiles find_text_files(const Checkpoint& checkpoint);

}  // namespace vernier::io
