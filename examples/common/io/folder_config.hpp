// config.json of a Hugging Face folder, in the spelling of every version of transformers, as a ModelConfig.
#pragma once

#include <string>

#include "common/model/config.hpp"

namespace vernier::io {

/// Reads `folder`/config.json, and the end-of-text tokens of generation_config.json where there is one. Fields that a file lacks get the
/// values that transformers gives them. Throws Error naming the file, the field, the value and what was expected.
model::ModelConfig read_folder_config(const std::string& folder);

/// Same, from the text of a config.json alone; `file` names it in messages.
model::ModelConfig parse_folder_config(const std::string& file, std::string_view text);

}  // namespace vernier::io
