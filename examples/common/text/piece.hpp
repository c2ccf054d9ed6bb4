// A stretch of prompt and where it came from. Chat templates make pieces, tokenizers encode them: the only thing that the two share.
#pragma once

#include <span>
#include <string>

namespace vernier::text {

/// UTF-8 text of one origin. Neighbouring pieces are one text: a tokenizer merges across their border as if they were joined, but looks
/// for special tokens (and for a special token only as a whole) inside trusted pieces alone.
struct Piece {
  std::string text;
  bool trusted = false;  // written by the template or the caller; false for everything that came with a request

  friend bool operator==(const Piece&, const Piece&) = default;
};

/// The text of all pieces, without their origin.
inline std::string joined(std::span<const Piece> pieces) {
  std::string out;
  for (const Piece& piece : pieces) out += piece.text;
  return out;
}

}  // namespace vernier::text
