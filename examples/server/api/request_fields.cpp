// The table of fields that other servers know and this one does not honour. A field that would change the answer is refused by name, never
// dropped; one that asks for nothing (null, false, 0, an empty value or the listed default) is fine.
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <string_view>

#include "server/api/error.hpp"
#include "server/api/fields.hpp"
#include "server/api/json.hpp"
#include "server/api/request.hpp"
#include "vernier/core/error.hpp"

namespace vernier::serve {
namespace {

namespace json = boost::json;

struct Refused {
  std::string_view name, harmless, instead;  // `harmless`: JSON values that ask for nothing, separated by '|'
};

constexpr Refused refused[] = {
    {"tools", "", "tool calls are not supported"},
    {"tool_choice", "\"none\"|\"auto\"", "tool calls are not supported"},
    {"functions", "", "tool calls are not supported"},
    {"function_call", "\"none\"|\"auto\"", "tool calls are not supported"},
    {"response_format", "{\"type\":\"text\"}", "constrained output is not supported"},
    {"json_schema", "", "constrained output is not supported"},
    {"grammar", "", "constrained output is not supported"},
    {"guided_json", "", "constrained output is not supported"},
    {"guided_regex", "", "constrained output is not supported"},
    {"guided_choice", "", "constrained output is not supported"},
    {"guided_grammar", "", "constrained output is not supported"},
    {"structured_outputs", "", "constrained output is not supported"},
    {"regex", "", "constrained output is not supported"},
    {"ebnf", "", "constrained output is not supported"},
    {"audio", "", "only text is supported"},
    {"modalities", "[\"text\"]", "only text is supported"},
    {"suffix", "", "fill-in-the-middle is not supported"},
    {"best_of", "1", "use n"},
    {"use_beam_search", "", "beam search is not supported"},
    {"length_penalty", "1|1.0|1E0", "beam search is not supported"},
    {"web_search_options", "", "the server fetches nothing"},
    {"prompt_embeds", "", "give text or token ids"},
    {"prompt_logprobs", "", "log probabilities are of the answer only"},
    {"min_tokens", "", "use ignore_eos with max_tokens"},
    {"bad_words", "", "use logit_bias"},
    {"allowed_token_ids", "", "use logit_bias"},
    {"truncate_prompt_tokens", "", "prompts are never truncated"},
    {"chat_template", "", "the template is set when the server starts"},
    {"documents", "", "put them into a message"},
    {"continue_final_message", "", "use /v1/completions with /apply-template"},
    {"include_stop_str_in_output", "", "stop strings are never part of the text"},
    {"skip_special_tokens", "true", "special tokens are never part of the text"},
    {"return_token_ids", "", "use logprobs, or /tokenize"},
    {"return_tokens_as_token_ids", "", "use /tokenize"},
    {"typical_p", "1|1.0|1E0", "this sampler is not supported"},
    {"mirostat", "", "this sampler is not supported"},
    {"dynatemp_range", "", "this sampler is not supported"},
    {"dry_multiplier", "", "this sampler is not supported"},
    {"xtc_probability", "", "this sampler is not supported"},
    {"lora", "", "adapters are not supported"},
    {"n_predict", "-1", "use max_tokens"},
    {"input", "", "use messages or prompt"},
};

/// Fields that cannot change the answer; not worth a warning.
constexpr std::string_view silent[] = {"metadata",          "store",         "service_tier", "safety_identifier", "prompt_cache_key",
                                       "cache_prompt",      "id_slot",       "priority",     "request_id",        "parallel_tool_calls",
                                       "timings_per_token", "return_tokens", "cache_salt"};

bool asks_for_nothing(const json::value& value, std::string_view harmless) {
  if (value.is_null()) return true;
  if (value.is_bool()) return !value.get_bool() || harmless == "true";
  if (value.is_number() && value.to_number<double>() == 0) return true;
  if (value.is_string() && value.get_string().empty()) return true;
  if (value.is_array() && value.get_array().empty()) return true;
  if (value.is_object() && value.get_object().empty()) return true;
  const std::string text = json::serialize(value);
  for (std::string_view rest = harmless; !rest.empty();) {
    const std::size_t end = std::min(rest.find('|'), rest.size());
    if (rest.substr(0, end) == text) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

}  // namespace

void check_other_fields(Fields& fields, bool chat, CommonRequest& out) {
  for (const Refused& field : refused) {
    const json::value* value = fields.find(field.name);
    const bool negative_default = field.name == "skip_special_tokens" && value && value->is_bool() && !value->get_bool();
    if (!value || (asks_for_nothing(*value, field.harmless) && !negative_default)) continue;
    throw ApiError(400, concat(field.name, " is ", shown(*value), ", which this server does not honour: ", field.instead),
                   std::string(field.name), "unsupported_field");
  }
  const std::string_view other = chat ? "prompt" : "messages";
  if (const json::value* value = fields.find(other))
    throw ApiError(400, concat(other, " is ", shown(*value), ", which belongs to ", chat ? "/v1/completions" : "/v1/chat/completions"),
                   std::string(other), "unsupported_field");
  for (std::string& name : fields.unread())
    if (std::find(std::begin(silent), std::end(silent), name) == std::end(silent)) out.ignored.push_back(std::move(name));
}

}  // namespace vernier::serve
