// From messages to pieces: sets up a rendering as apply_chat_template does.
#include "common/text/chat_template.hpp"

#include <boost/json/value_from.hpp>
#include <charconv>
#include <cstdlib>
#include <ctime>

#include "common/text/jinja_eval.hpp"

namespace vernier::text {
namespace {

/// Reasoning goes by several names; templates read the first or, for gpt-oss, the second.
boost::json::object with_reasoning_names(const boost::json::object& message) {
  const boost::json::value* reasoning = nullptr;
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    const boost::json::value* value = message.if_contains(name);
    if (reasoning == nullptr && value != nullptr && !value->is_null()) reasoning = value;
  }
  if (reasoning == nullptr) return message;
  boost::json::object out;
  out["thinking"] = *reasoning;
  for (const auto& [key, value] : message) out[key] = value;
  out["reasoning_content"] = *reasoning;
  return out;
}

std::vector<Piece> to_pieces(const jinja::Text& text) {
  std::vector<Piece> pieces;
  text.for_each_run([&](std::string_view run, bool trusted) { pieces.push_back({std::string(run), trusted}); });
  return pieces;
}

}  // namespace

const std::string_view chatml_template =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

ChatTemplate::ChatTemplate(std::string_view source, SpecialTokens tokens)
    : template_(std::make_unique<const jinja::Template>(jinja::parse(source))), tokens_(std::move(tokens)) {}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::vector<Piece> ChatTemplate::render(const boost::json::array& messages, const RenderOptions& options) const {
  jinja::Run run(options.limits);
  run.now = options.now;
  jinja::Evaluator evaluator(run);
  for (const auto& [name, text] : tokens_) evaluator.define(name, jinja::make_string(text, true));
  for (const auto& [name, value] : options.extra) evaluator.define(std::string(name), jinja::from_json(run, value));
  boost::json::array named;
  for (const boost::json::value& message : messages) {
    if (!message.is_object()) throw TemplateError("chat template: each message must be an object", 0);
    named.emplace_back(with_reasoning_names(message.get_object()));
  }
  evaluator.define("messages", jinja::from_json(run, named));
  evaluator.define("tools", jinja::from_json(run, options.tools));
  evaluator.define("documents", jinja::from_json(run, options.documents));
  evaluator.define("add_generation_prompt", jinja::Value(options.add_generation_prompt));
  return to_pieces(evaluator.render(*template_));
}

std::int64_t clock_seconds() {
  if (const char* epoch = std::getenv("SOURCE_DATE_EPOCH")) {
    const std::string_view text(epoch);
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error == std::errc() && end == text.data() + text.size()) return seconds;
  }
  return static_cast<std::int64_t>(std::time(nullptr));
}

}  // namespace vernier::text
