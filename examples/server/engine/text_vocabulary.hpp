// The engine's view of a real tokenizer.
#pragma once

#include <string>
#include <utility>

#include "common/text/tokenizer.hpp"
#include "server/engine/vocabulary.hpp"

namespace vernier::serve {

/// Ids beyond the tokenizer's (a model's embedding may have more rows) add no text and end nothing. A space that SentencePiece puts in
/// front of an answer's first word is kept, as the answer continues its prompt.
class TextVocabulary : public Vocabulary {
 public:
  explicit TextVocabulary(text::Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {}

  std::string bytes(int id) const override { return known(id) && !tokenizer_.is_control(id) ? tokenizer_.bytes(id) : std::string(); }
  bool ends(int id) const override { return known(id) && tokenizer_.is_end(id); }

 private:
  bool known(int id) const { return id >= 0 && id < tokenizer_.size(); }

  text::Tokenizer tokenizer_;
};

}  // namespace vernier::serve
