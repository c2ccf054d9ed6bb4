// Chat templates: messages in, prompt out, exactly as apply_chat_template of Hugging Face transformers renders them. The template is part
// of the model's file and hence hostile: its output, its loops and its recursion are bounded. The language itself is in jinja_*.hpp.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/text/piece.hpp"
#include "vernier/core/error.hpp"

namespace vernier::text {

/// A template that cannot be parsed or rendered. what() carries the line and the construct.
class TemplateError : public Error {
 public:
  TemplateError(const std::string& text, int line, bool raised = false) : Error(text), line_(line), raised_(raised) {}
  /// Line of the template, from 1; 0 when no line is to blame.
  int line() const { return line_; }
  /// True when the template itself refused the messages (raise_exception); what() is then the template's own message, meant for the user.
  bool raised() const { return raised_; }

 private:
  int line_;
  bool raised_;
};

/// What a template may use before it is stopped with a TemplateError that names the limit.
struct TemplateLimits {
  std::size_t output_bytes = std::size_t{16} << 20;  // of the prompt, and of any one string
  std::size_t work_bytes = std::size_t{512} << 20;   // of all strings and lists built on the way
  std::int64_t steps = 10'000'000;                   // expressions, statements and elements visited
  int depth = 400;                                   // nested calls, loops and expressions
  int nesting = 128;                                 // lists in lists
  std::int64_t range = 100'000;                      // elements of range(), as jinja2's sandbox
};

/// What a rendering may vary. Strings in here count as user input, so special tokens in them are text.
struct RenderOptions {
  bool add_generation_prompt = true;
  boost::json::value tools = nullptr;      // array of function schemas, or null
  boost::json::value documents = nullptr;  // array of objects, or null
  boost::json::object extra = {};          // further variables, such as enable_thinking
  std::int64_t now = 0;                    // seconds since 1970, UTC, for strftime_now; see clock_seconds()
  TemplateLimits limits = {};
};

/// Text variables of the model, such as {"bos_token", "<s>"} and {"eos_token", "</s>"}; trusted.
using SpecialTokens = std::vector<std::pair<std::string, std::string>>;

namespace jinja {
struct Template;
}

/// A parsed template. Immutable, so that threads may render from one object at once.
class ChatTemplate {
 public:
  /// Throws TemplateError with the line when the source is no template, or uses a construct that is not supported (named in the message).
  explicit ChatTemplate(std::string_view source, SpecialTokens tokens = {});
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  /// The prompt for `messages` (objects with role, content and what else the template reads) as pieces of alternating trust, none empty.
  /// Throws TemplateError; raised() tells a template's own refusal from a fault.
  std::vector<Piece> render(const boost::json::array& messages, const RenderOptions& options = {}) const;

 private:
  std::unique_ptr<const jinja::Template> template_;
  SpecialTokens tokens_;
};

/// The template for a model that brings none, if the caller so chooses: <|im_start|>role, content, <|im_end|>.
extern const std::string_view chatml_template;

/// The clock for strftime_now: SOURCE_DATE_EPOCH if it is set to a number, else the system's time.
std::int64_t clock_seconds();

}  // namespace vernier::text
