// See response.hpp. Shapes are those of OpenAI's reference, as the official client parses them.
#include "server/api/response.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>

#include "server/api/json.hpp"

namespace vernier::serve {
namespace {

namespace json = boost::json;

json::value finish_json(FinishReason reason) {
  if (reason == FinishReason::none) return nullptr;
  return json::value(std::string(name(reason)));
}

/// JSON has no infinity; OpenAI uses this number for a token that cannot come.
double finite(float logprob) { return std::isfinite(logprob) ? static_cast<double>(logprob) : -9999.0; }

json::object token_json(const std::string& bytes, float logprob) {
  json::array list;
  for (char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return {{"token", valid_utf8(bytes)}, {"logprob", finite(logprob)}, {"bytes", std::move(list)}};
}

json::value chat_logprobs(const AnswerInfo& info, const ChoiceText& part) {
  json::array content;
  for (const GeneratedToken& token : part.tokens) {
    json::object one = token_json(token.bytes, token.logprob);
    json::array top;
    for (const ops::TokenLogprob& t : token.top) top.push_back(token_json(info.token_bytes(t.id), t.logprob));
    one["top_logprobs"] = std::move(top);
    content.push_back(std::move(one));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

json::value text_logprobs(const AnswerInfo& info, const ChoiceText& part) {
  json::array tokens, logprobs, top, offsets;
  std::size_t offset = part.text_offset;
  for (const GeneratedToken& token : part.tokens) {
    const std::string text = valid_utf8(token.bytes);
    tokens.push_back(json::value(text));
    logprobs.push_back(finite(token.logprob));
    json::object best;
    for (const ops::TokenLogprob& t : token.top) best[valid_utf8(info.token_bytes(t.id))] = finite(t.logprob);
    top.push_back(std::move(best));
    offsets.push_back(offset);
    offset += count_characters(text);
  }
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(top)},
          {"text_offset", std::move(offsets)}};
}

json::value logprobs_json(const AnswerInfo& info, const ChoiceText& part) {
  if (!part.logprobs) return nullptr;
  return info.chat ? chat_logprobs(info, part) : text_logprobs(info, part);
}

json::object head(const AnswerInfo& info, const char* object) {
  return {{"id", info.id}, {"object", object}, {"created", info.created}, {"model", info.model}};
}

const char* chunk_object(const AnswerInfo& info) { return info.chat ? "chat.completion.chunk" : "text_completion"; }

}  // namespace

std::size_t count_characters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; }));
}

json::object usage_json(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
}

std::string whole_answer(const AnswerInfo& info, const std::vector<ChoiceText>& choices, const Usage& usage) {
  json::object out = head(info, info.chat ? "chat.completion" : "text_completion");
  json::array list;
  for (const ChoiceText& choice : choices) {
    json::object one{{"index", choice.index}};
    if (info.chat)
      one["message"] = {{"role", "assistant"}, {"content", choice.text}, {"refusal", nullptr}};
    else
      one["text"] = choice.text;
    one["logprobs"] = logprobs_json(info, choice);
    one["finish_reason"] = finish_json(choice.finish);
    list.push_back(std::move(one));
  }
  out["choices"] = std::move(list);
  out["usage"] = usage_json(usage);
  out["vernier"] = info.routing;
  return json::serialize(out);
}

std::string chunk(const AnswerInfo& info, const ChoiceText& part, bool first, bool usage_null) {
  json::object out = head(info, chunk_object(info));
  json::object one{{"index", part.index}};
  if (info.chat) {
    json::object delta;
    if (first) delta["role"] = "assistant";
    if (first || !part.text.empty()) delta["content"] = part.text;
    one["delta"] = std::move(delta);
  } else {
    one["text"] = part.text;
  }
  one["logprobs"] = part.tokens.empty() ? json::value(nullptr) : logprobs_json(info, part);
  one["finish_reason"] = finish_json(part.finish);
  out["choices"] = json::array{std::move(one)};
  if (usage_null) out["usage"] = nullptr;
  if (first) out["vernier"] = info.routing;
  return json::serialize(out);
}

std::string usage_chunk(const AnswerInfo& info, const Usage& usage) {
  json::object out = head(info, chunk_object(info));
  out["choices"] = json::array();
  out["usage"] = usage_json(usage);
  out["vernier"] = info.routing;
  return json::serialize(out);
}

}  // namespace vernier::serve
