// What goes into the engine and what comes out of it: a request for one or more answers, and the events that an answer consists of.
// Plain data. The engine knows token ids, tiers and text; it knows nothing of HTTP, JSON, chat templates or routing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "vernier/ops/sample.hpp"

namespace vernier::serve {

/// Names an accepted request for cancel(). Never used twice in one engine; 0 is none.
using GenerationId = std::uint64_t;

/// What to generate. Give SampleOptions::seed a value: the engine draws no random seeds of its own.
struct GenerationRequest {
  std::vector<int> prompt;  // token ids, begin-of-text and template included
  int tier = 0;             // index into the engine's tiers
  int n = 1;                // answers; they share the KV pages of the prompt. Answer i draws from random stream i
  int max_tokens = 0;       // of each answer; 0: as many as the context has room for
  ops::SampleOptions sampling{};
  std::vector<std::string> stop{};  // texts that end an answer; not part of it. No empty ones
  std::vector<int> stop_ids{};      // tokens that end it, beside those of the vocabulary; not part of the text
  bool ignore_end = false;          // go on after end-of-text tokens (they count, and give no text)
  bool logprobs = false;            // fill GeneratedToken::logprob
  int top_logprobs = 0;             // how many alternatives GeneratedToken::top lists; needs logprobs
};

/// A token of an answer, in the event that carries (the end of) its text.
struct GeneratedToken {
  int id = 0;
  std::string bytes{};                   // what it contributes; may be part of a UTF-8 character
  float logprob = 0;                     // natural logarithm, of the model's own distribution: before bias, penalties, temperature
  std::vector<ops::TokenLogprob> top{};  // best first
};

enum class FinishReason : unsigned char {
  none,       // not finished
  stop,       // an end-of-text token, a stop id or a stop string
  length,     // max_tokens, or the end of the context
  cancelled,  // cancel(), or a drain that ran out of time
  failed,     // see GenerationEvent::error
};

/// The name that metrics and logs use.
constexpr std::string_view name(FinishReason reason) {
  switch (reason) {
    case FinishReason::none: return "none";
    case FinishReason::stop: return "stop";
    case FinishReason::length: return "length";
    case FinishReason::cancelled: return "cancelled";
    case FinishReason::failed: return "failed";
  }
  return "?";
}

/// Tokens of a whole request.
struct Usage {
  int prompt_tokens = 0;      // counted once, whatever n is
  int completion_tokens = 0;  // of all answers, the token that ended each included
  int cached_tokens = 0;      // of the prompt: found in the prefix cache, so not computed
};

/// Where a request's time went, in seconds. A stage that was not reached is 0.
struct Timing {
  double queued = 0;       // submit() to its first step
  double first_token = 0;  // submit() to the first token of any answer
  double total = 0;        // submit() to its last event
  int preemptions = 0;     // how often an answer lost its pages to an older one and was computed again
};

/// One thing that happened. The events of one answer arrive in order, and the last has finish != none; then, after those of all answers,
/// one event has last = true and nothing follows.
struct GenerationEvent {
  int choice = 0;                        // which of the n answers
  std::string text{};                    // to append: always whole UTF-8 characters (broken ones replaced by U+FFFD); may be empty
  std::vector<GeneratedToken> tokens{};  // the tokens that `text` ends, if logprobs were asked for
  FinishReason finish = FinishReason::none;
  std::string stop{};   // finish == stop: the stop string that was met; empty for a token
  std::string error{};  // finish == failed: what went wrong, for people
  bool last = false;    // of the whole request; then usage and timing are final
  Usage usage{};        // so far
  Timing timing{};      // valid if last
};

/// Gets each event on the engine's thread: hand it on, never block or call the engine's drain(). A callback that throws cancels its
/// request.
using EventCallback = std::function<void(const GenerationEvent&)>;

/// What submit() answered.
struct Submitted {
  enum class Status : unsigned char {
    accepted,
    queue_full,       // try again later: 429
    draining,         // shutting down: 503
    prompt_too_long,  // 400; message has both numbers
    invalid,          // 400; message names the field and the value
  };
  Status status = Status::accepted;
  GenerationId id = 0;    // if accepted
  std::string message{};  // if not
};

}  // namespace vernier::serve
