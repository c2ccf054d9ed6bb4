// The body of a chat completion: messages, and log probabilities in the chat form.
#include "server/api/error.hpp"
#include "server/api/fields.hpp"
#include "server/api/json.hpp"
#include "server/api/request.hpp"
#include "vernier/core/error.hpp"

namespace vernier::serve {
namespace {

namespace json = boost::json;

/// A message's content: a string, or parts of type text, which are joined by line breaks.
std::string content_of(const json::value& content, const std::string& name) {
  if (content.is_string()) return std::string(content.get_string());
  const auto bad = [&](const json::value& value, std::string_view where, std::string_view expected) {
    throw ApiError(400, concat(name, where, " is ", shown(value), ", expected ", expected), name + std::string(where), "invalid_value");
  };
  if (!content.is_array()) bad(content, "", "a string or an array of text parts");
  std::string out;
  int index = 0;
  for (const json::value& part : content.get_array()) {
    const std::string at = concat("[", index, "]");
    if (!part.is_object()) bad(part, at, "an object with type and text");
    const json::value* type = part.get_object().if_contains("type");
    const json::value* text = part.get_object().if_contains("text");
    if (!type || !type->is_string() || type->get_string() != "text")
      bad(type ? *type : json::value(nullptr), at + ".type", "\"text\"; only text is supported");
    if (!text || !text->is_string()) bad(text ? *text : json::value(nullptr), at + ".text", "a string");
    if (index++) out += '\n';
    out.append(text->get_string());
  }
  return out;
}

json::object parse_message(const json::value& value, std::size_t index) {
  const std::string name = concat("messages[", index, "]");
  if (!value.is_object()) throw ApiError(400, concat(name, " is ", shown(value), ", expected an object"), name, "invalid_value");
  Fields fields(value.get_object(), name + ".");
  const json::value* role = fields.find("role");
  std::string_view kind = role && role->is_string() ? std::string_view(role->get_string()) : std::string_view();
  if (kind == "developer") kind = "system";  // OpenAI's newer name
  if (kind == "tool" || kind == "function")
    fields.refuse("role", *role, "\"system\", \"user\" or \"assistant\"; tool calls are not supported");
  if (kind != "system" && kind != "user" && kind != "assistant")
    fields.refuse("role", role ? *role : json::value(nullptr), "\"system\", \"developer\", \"user\" or \"assistant\"");
  for (const char* calls : {"tool_calls", "function_call"})
    if (const json::value* call = fields.find(calls); call && !(call->is_array() && call->get_array().empty()))
      fields.refuse(calls, *call, "nothing; tool calls are not supported");
  const json::value* content = fields.find("content");
  if (!content) fields.refuse("content", json::value(nullptr), "a string or an array of text parts");
  json::object out;
  out["role"] = kind;
  out["content"] = content_of(*content, fields.full("content"));
  if (const auto who = fields.string("name", 256)) out["name"] = *who;
  return out;
}

}  // namespace

json::array parse_messages(Fields& fields, const RequestLimits& limits) {
  const json::array* messages = fields.array("messages", static_cast<std::size_t>(limits.messages));
  if (!messages) throw ApiError(400, "messages is missing, expected an array of messages", "messages", "missing_field");
  if (messages->empty()) throw ApiError(400, "messages is empty, expected at least one message", "messages", "invalid_value");
  json::array out;
  for (const json::value& message : *messages) out.push_back(parse_message(message, out.size()));
  return out;
}

ChatRequest parse_chat(std::string_view body, const RequestLimits& limits) {
  const json::object object = parse_body(body);
  Fields fields(object);
  ChatRequest out;
  parse_common(fields, limits, out);
  out.messages = parse_messages(fields, limits);
  out.add_generation_prompt = fields.boolean("add_generation_prompt").value_or(true);
  if (const json::object* variables = fields.object("chat_template_kwargs")) out.template_variables = *variables;
  out.generation.logprobs = fields.boolean("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", 0, limits.top_logprobs);
  if (top && *top > 0 && !out.generation.logprobs)
    throw ApiError(400, concat("top_logprobs is ", *top, ", but logprobs is not true"), "top_logprobs", "invalid_value");
  out.generation.top_logprobs = static_cast<int>(top.value_or(0));
  if (const auto echo = fields.boolean("echo"); echo && *echo)
    throw ApiError(400, "echo is true, which this server honours for /v1/completions only", "echo", "unsupported_field");
  check_other_fields(fields, true, out);
  return out;
}

}  // namespace vernier::serve
