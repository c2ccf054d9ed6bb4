// The text that a model is judged on, as token ids: from a file of ids, or from plain text cut into windows of the context.
#pragma once

#include <string>
#include <vector>

#include "common/io/checkpoint.hpp"

namespace vernier::evaluate {

/// Independent sequences of ids; each is at least one token long.
using Sequences = std::vector<std::vector<int>>;

/// A file of ids, one sequence a line, separated by white space; empty lines are skipped. Throws Error naming the line of a word that is
/// no id below `vocab`, and of a sequence longer than `context`.
Sequences read_tokens(const std::string& path, int vocab, int context);

/// A UTF-8 text, encoded whole with the checkpoint's own tokenizer, then cut into windows of `context` ids.
Sequences read_text(const std::string& path, const io::Checkpoint& checkpoint, int context);

}  // namespace vernier::evaluate
