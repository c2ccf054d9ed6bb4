// What the engine needs to know of a tokenizer. text_vocabulary.hpp makes one from the real tokenizer; tests bring small ones.
#pragma once

#include <string>

namespace vernier::serve {

/// Thread-safe: only const functions.
class Vocabulary {
 public:
  virtual ~Vocabulary() = default;
  /// The bytes that token `id` contributes to a text; empty for control tokens. `first`: it starts an answer.
  virtual std::string bytes(int id, bool first) const = 0;
  /// Whether the token ends an answer (end of text, end of turn).
  virtual bool ends(int id) const = 0;
};

}  // namespace vernier::serve
