// The bodies of POST /v1/chat/completions and /v1/completions, validated: what is left needs no further checks but the prompt's length.
// docs/serving.md lists every field; request_fields.cpp holds the table of those that are refused or ignored.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/engine/generation.hpp"

namespace vernier::serve {

class Fields;

/// What requests are checked against.
struct RequestLimits {
  int vocabulary = 0;              // token ids are below this
  std::vector<std::string> tiers;  // names that a request may force
  int n = 16;
  int top_logprobs = 20;
  int stops = 16, stop_bytes = 1024;
  int biases = 1024;
  int prompts = 32;  // of one completions request
  int messages = 4096;
  int max_tokens = 1 << 24;  // an upper bound on the number itself; the engine ends answers at the context anyway
};

/// What both endpoints share.
struct CommonRequest {
  GenerationRequest generation;  // all but prompt and tier
  bool seeded = false;           // the request gave a seed
  bool stream = false, include_usage = false;
  std::string tier;                  // forced tier; empty: the server decides
  std::vector<std::string> ignored;  // names of fields that have no effect here, for a warning
};

struct ChatRequest : CommonRequest {
  boost::json::array messages;  // {role, content (a string), name?}; roles system, user, assistant
  bool add_generation_prompt = true;
  boost::json::object template_variables;  // chat_template_kwargs
};

/// A prompt as text or as token ids.
using Prompt = std::variant<std::string, std::vector<int>>;

struct CompletionRequest : CommonRequest {
  std::vector<Prompt> prompts;  // at least one
  bool echo = false;
};

/// Throw ApiError(400), with the field, its value and what was expected.
ChatRequest parse_chat(std::string_view body, const RequestLimits& limits);
CompletionRequest parse_completion(std::string_view body, const RequestLimits& limits);

/// `messages` of a request, checked and with content parts joined; also for /apply-template.
boost::json::array parse_messages(Fields& fields, const RequestLimits& limits);

/// An array of token ids as a prompt; `name` for messages.
std::vector<int> parse_ids(const boost::json::array& ids, std::string_view name, int vocabulary);

/// Reads what both endpoints share into `out`, logprobs apart.
void parse_common(Fields& fields, const RequestLimits& limits, CommonRequest& out);

/// Refuses fields that would change the answer in ways that are not implemented, unless their value asks for nothing; collects the names
/// of those that have no effect. Call last.
void check_other_fields(Fields& fields, bool chat, CommonRequest& out);

}  // namespace vernier::serve
