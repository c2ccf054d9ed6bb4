// Endpoints around the tokenizer and the chat template, with llama-server's fields.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "server/api/call.hpp"
#include "server/api/fields.hpp"
#include "server/api/json.hpp"
#include "server/api/prompt.hpp"

namespace vernier::serve {

namespace json = boost::json;

namespace {

/// A token's bytes as text, or as numbers if they are no UTF-8 by themselves, as llama-server shows them.
json::value piece_json(const std::string& bytes) {
  if (valid_utf8(bytes) == bytes) return json::value(bytes);
  json::array list;
  for (char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return list;
}

void refuse_unknown(Fields& fields) {
  for (const std::string& name : fields.unread())
    throw ApiError(400, name + " is not a known field here; see docs/serving.md", name, "unknown_field");
}

}  // namespace

void Service::tokenize(Call& call) {
  const text::Tokenizer& tokenizer = call.served->tokenizer;
  const json::object body = parse_body(call.request().body);
  Fields fields(body);
  const auto content = fields.string("content", std::size_t{1} << 30);
  if (!content) throw ApiError(400, "content is missing, expected a string", "content", "missing_field");
  const text::EncodeOptions options{.special = fields.boolean("parse_special").value_or(true),
                                    .add_bos = fields.boolean("add_special").value_or(false)};
  const bool pieces = fields.boolean("with_pieces").value_or(false);
  (void)fields.find("model");
  refuse_unknown(fields);
  json::array tokens;
  for (const int id : tokenizer.encode(*content, options)) {
    if (pieces)
      tokens.push_back({{"id", id}, {"piece", piece_json(tokenizer.bytes(id))}});
    else
      tokens.push_back(id);
  }
  respond(call, json_response({{"tokens", std::move(tokens)}}));
}

void Service::detokenize(Call& call) {
  const text::Tokenizer& tokenizer = call.served->tokenizer;
  const json::object body = parse_body(call.request().body);
  Fields fields(body);
  const json::array* tokens = fields.array("tokens", 4'000'000);
  if (!tokens) throw ApiError(400, "tokens is missing, expected an array of token ids", "tokens", "missing_field");
  (void)fields.find("model");
  refuse_unknown(fields);
  const std::vector<int> ids = parse_ids(*tokens, "tokens", tokenizer.size());
  respond(call, json_response({{"content", tokenizer.decode(ids)}}));
}

void Service::apply_template(Call& call) {
  const json::object body = parse_body(call.request().body);
  Fields fields(body);
  ChatRequest request;
  request.messages = parse_messages(fields, call.served->limits);
  request.add_generation_prompt = fields.boolean("add_generation_prompt").value_or(true);
  if (const json::object* variables = fields.object("chat_template_kwargs")) request.template_variables = *variables;
  (void)fields.find("model");
  refuse_unknown(fields);
  respond(call, json_response({{"prompt", text::joined(render_chat(*call.served, request))}}));
}

}  // namespace vernier::serve
