// See prompt.hpp.
#include "server/api/prompt.hpp"

#include "server/api/error.hpp"

namespace vernier::serve {

std::vector<text::Piece> render_chat(const Served& served, const ChatRequest& request) {
  if (!served.chat_template)
    throw ApiError(400, "this model has no chat template; use /v1/completions, or start the server with --chat-template-file", "messages",
                   "no_chat_template");
  text::RenderOptions options;
  options.add_generation_prompt = request.add_generation_prompt;
  options.extra = request.template_variables;
  options.now = text::clock_seconds();
  try {
    return served.chat_template->render(request.messages, options);
  } catch (const text::TemplateError& error) {
    throw ApiError(400,
                   std::string(error.raised() ? "the chat template refuses these messages: " : "the chat template failed: ") + error.what(),
                   "messages", "chat_template_error");
  }
}

std::string written_by_users(const std::vector<text::Piece>& pieces) {
  std::string out;
  for (const text::Piece& piece : pieces) {
    if (piece.trusted) continue;
    if (!out.empty()) out += '\n';
    out += piece.text;
  }
  return out;
}

namespace {

EncodedPrompt checked(EncodedPrompt prompt, const char* field) {
  if (prompt.ids.empty()) throw ApiError(400, std::string(field) + " has no tokens, expected at least one", field, "invalid_value");
  return prompt;
}

}  // namespace

EncodedPrompt encode_chat(const Served& served, const ChatRequest& request) {
  const std::vector<text::Piece> pieces = render_chat(served, request);
  EncodedPrompt out;
  text::EncodeReport report;
  out.ids = served.tokenizer.encode(pieces, {}, &report);  // templates write begin-of-text themselves
  out.dropped_bytes = report.dropped_bytes;
  out.text = written_by_users(pieces);
  return checked(std::move(out), "messages");
}

EncodedPrompt encode_prompt(const Served& served, const Prompt& prompt) {
  EncodedPrompt out;
  if (const auto* ids = std::get_if<std::vector<int>>(&prompt)) {
    out.ids = *ids;
    std::vector<int> known;  // a model may have more rows than its tokenizer has tokens
    for (int id : *ids)
      if (id < served.tokenizer.size()) known.push_back(id);
    out.text = served.tokenizer.decode(known);
    return checked(std::move(out), "prompt");
  }
  text::EncodeReport report;
  out.text = std::get<std::string>(prompt);
  out.ids = served.tokenizer.encode(out.text, {.special = true, .add_bos = served.tokenizer.add_bos_by_default()}, &report);
  out.dropped_bytes = report.dropped_bytes;
  return checked(std::move(out), "prompt");
}

}  // namespace vernier::serve
