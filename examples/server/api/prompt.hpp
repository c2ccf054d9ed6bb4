// From validated requests to token ids.
#pragma once

#include <string>
#include <vector>

#include "server/api/served.hpp"

namespace vernier::serve {

/// The messages through the model's template. Throws ApiError(400) with the template's own words if it refuses them, or if there is none.
std::vector<text::Piece> render_chat(const Served& served, const ChatRequest& request);

/// What users wrote in these pieces, without the template's own text; the router looks at this alone.
std::string written_by_users(const std::vector<text::Piece>& pieces);

/// A prompt for the engine; `text` is what the router looks at and what echo gives back.
struct EncodedPrompt {
  std::vector<int> ids;
  std::string text;
  std::size_t dropped_bytes = 0;  // for which the vocabulary has no token
};

/// Special tokens are those that the template wrote; typed ones are text. Throws ApiError(400) if nothing is left.
EncodedPrompt encode_chat(const Served& served, const ChatRequest& request);

/// A raw prompt is its author's from end to end, so special tokens in it are special, and the model's begin-of-text goes in front.
EncodedPrompt encode_prompt(const Served& served, const Prompt& prompt);

}  // namespace vernier::serve
