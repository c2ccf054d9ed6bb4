// What the engine needs to know of a tokenizer. text_vocabulary.hpp makes one from the real tokenizer; tests bring small ones.
#pragma once

#include <string>

namespace vernier::serve {

/// Thread-safe: only const functions.
class Vocabulary {
 public:
  virtual ~Vocabulary() = default;
  /// The bytes that token `id` adds to a text that it continues; empty for control tokens and for ids that the vocabulary lacks.
  virtual std::string bytes(int id) const = 0;
  /// Whether the token ends an answer (end of text, end of turn).
  virtual bool ends(int id) const = 0;
};

}  // namespace vernier::serve
