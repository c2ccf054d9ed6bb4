// The body of a text completion: one or several prompts, as text or token ids.
#include "server/api/error.hpp"
#include "server/api/fields.hpp"
#include "server/api/json.hpp"
#include "server/api/request.hpp"
#include "vernier/core/error.hpp"

namespace vernier::serve {
namespace {

namespace json = boost::json;

constexpr int default_max_tokens = 16;  // OpenAI's, for this endpoint alone

std::vector<Prompt> parse_prompts(Fields& fields, const RequestLimits& limits) {
  const json::value* prompt = fields.find("prompt");
  if (!prompt) throw ApiError(400, "prompt is missing, expected a string, token ids, or an array of either", "prompt", "missing_field");
  if (prompt->is_string()) return {std::string(prompt->get_string())};
  constexpr std::string_view expected = "a string, an array of token ids, or an array of either";
  if (!prompt->is_array() || prompt->get_array().empty()) fields.refuse("prompt", *prompt, expected);
  const json::array& list = prompt->get_array();
  if (list.front().is_number()) return {parse_ids(list, "prompt", limits.vocabulary)};
  if (list.size() > static_cast<std::size_t>(limits.prompts))
    fields.refuse("prompt", *prompt, concat("at most ", limits.prompts, " prompts in one request"));
  std::vector<Prompt> out;
  for (const json::value& one : list) {
    const std::string name = concat("prompt[", out.size(), "]");
    if (one.is_string())
      out.emplace_back(std::string(one.get_string()));
    else if (one.is_array() && !one.get_array().empty())
      out.emplace_back(parse_ids(one.get_array(), name, limits.vocabulary));
    else
      throw ApiError(400, concat(name, " is ", shown(one), ", expected a string or an array of token ids"), name, "invalid_value");
  }
  return out;
}

}  // namespace

CompletionRequest parse_completion(std::string_view body, const RequestLimits& limits) {
  const json::object object = parse_body(body);
  Fields fields(object);
  CompletionRequest out;
  parse_common(fields, limits, out);
  if (!out.generation.max_tokens) out.generation.max_tokens = default_max_tokens;
  out.prompts = parse_prompts(fields, limits);
  if (const json::value* logprobs = fields.find("logprobs"); logprobs && !(logprobs->is_bool() && !logprobs->get_bool())) {
    out.generation.top_logprobs = static_cast<int>(*fields.integer("logprobs", 0, limits.top_logprobs));
    out.generation.logprobs = true;
  }
  out.echo = fields.boolean("echo").value_or(false);
  if (out.echo && out.generation.logprobs)
    throw ApiError(400, "echo and logprobs are both given; log probabilities of the prompt are not supported", "echo", "unsupported_field");
  if (const json::value* top = fields.find("top_logprobs"))
    fields.refuse("top_logprobs", *top, "nothing; for /v1/completions logprobs is the number of alternatives");
  check_other_fields(fields, false, out);
  return out;
}

}  // namespace vernier::serve
