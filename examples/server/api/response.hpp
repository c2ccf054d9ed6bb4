// The JSON of answers: whole ones, chunks of a stream, log probabilities, usage. Pure functions.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "server/engine/generation.hpp"

namespace vernier::serve {

/// What all JSON of one answer has in common.
struct AnswerInfo {
  bool chat = true;
  std::string id;  // "chatcmpl-..." or "cmpl-..."
  std::string model;
  std::int64_t created = 0;
  boost::json::object routing;                  // {"tier", "score", "reason"}
  std::function<std::string(int)> token_bytes;  // of alternatives in log probabilities
};

/// One choice of an answer, or the part of it that a chunk adds.
struct ChoiceText {
  int index = 0;
  std::string text;
  std::vector<GeneratedToken> tokens;
  bool logprobs = false;  // were asked for
  FinishReason finish = FinishReason::none;
  std::size_t text_offset = 0;  // of `text` in the choice's whole text, in characters
};

boost::json::object usage_json(const Usage& usage);

/// The answer to a request without stream.
std::string whole_answer(const AnswerInfo& info, const std::vector<ChoiceText>& choices, const Usage& usage);

/// A chunk of a stream. `first`: the first one of this choice, which carries the role (chat) and the routing. `usage_null`: the stream
/// will end with a usage chunk, so all others say "usage": null.
std::string chunk(const AnswerInfo& info, const ChoiceText& part, bool first, bool usage_null);

/// The chunk that has no choices, only the usage.
std::string usage_chunk(const AnswerInfo& info, const Usage& usage);

/// Characters (not bytes) of UTF-8 text.
std::size_t count_characters(const std::string& text);

}  // namespace vernier::serve
