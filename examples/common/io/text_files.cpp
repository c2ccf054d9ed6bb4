// The places that Hugging Face folders and GGUF files have used over the years.
#include "common/io/text_files.hpp"

#include <sys/stat.h>

#include "common/io/json_fields.hpp"
#include "common/io/mapped_file.hpp"
#include "common/io/names.hpp"
#include "vernier/core/error.hpp"

namespace vernier::io {

namespace {

constexpr std::size_t max_template = 1u << 20;
constexpr std::size_t max_tokenizer_config = 16u << 20;  // lists every added token in some models

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

// A special token is a string, or an object with the string in `content`.
std::string token_text(const JsonFields& fields, const char* name) {
  const boost::json::value* value = fields.find(name);
  if (value == nullptr) return "";
  return value->is_object() ? fields.object(name)->text("content") : fields.text(name);
}

std::optional<bool> flag(const JsonFields& fields, const char* name) {
  return fields.has(name) ? std::optional(fields.flag_or(name, false)) : std::nullopt;
}

// chat_template: a string, or an array of {"name", "template"}.
std::string template_of(const JsonFields& fields) {
  const boost::json::value* value = fields.find("chat_template");
  if (value == nullptr) return "";
  if (!value->is_array()) return fields.text("chat_template");
  for (const boost::json::value& element : value->get_array()) {
    if (!element.is_object()) fields.fail_field("chat_template", "a string, or objects with name and template");
    const JsonFields one(element.get_object(), fields.file(), "chat_template[].");
    if (one.text_or("name", "") == "default") return one.text("template");
  }
  return "";
}

void take_template(TextFiles& out, std::string source, const std::string& from) {
  if (source.empty() || !out.chat_template.empty()) return;
  if (source.size() > max_template) fail(from, "the chat template has ", source.size(), " bytes, expected at most ", max_template);
  if (!is_utf8(source)) fail(from, "the chat template is not UTF-8");
  out.chat_template = std::move(source);
  out.chat_template_from = from;
}

}  // namespace

TextFiles find_text_files(const std::string& folder) {
  TextFiles out;
  const auto path = [&](const char* name) { return folder + "/" + name; };
  if (exists(path("tokenizer.json"))) out.tokenizer_json = path("tokenizer.json");
  if (exists(path("chat_template.jinja"))) {
    take_template(out, read_text_file(path("chat_template.jinja"), max_template), path("chat_template.jinja"));
  }
  if (exists(path("tokenizer_config.json"))) {
    out.tokenizer_config = path("tokenizer_config.json");
    const JsonDocument document = JsonDocument::read(out.tokenizer_config, max_tokenizer_config);
    const JsonFields fields(document.root(), out.tokenizer_config);
    take_template(out, template_of(fields), out.tokenizer_config);
    out.bos_token = token_text(fields, "bos_token");
    out.eos_token = token_text(fields, "eos_token");
    out.add_bos = flag(fields, "add_bos_token");
    out.add_eos = flag(fields, "add_eos_token");
  }
  if (out.chat_template.empty() && exists(path("chat_template.json"))) {
    const std::string file = path("chat_template.json");
    const JsonDocument document = JsonDocument::read(file, max_tokenizer_config);
    take_template(out, template_of(JsonFields(document.root(), file)), file);
  }
  return out;
}

TextFiles find_text_files(const Gguf& file) {
  TextFiles out;
  take_template(out, std::string(file.text_or("tokenizer.chat_template", "")), file.path());
  if (file.has("tokenizer.ggml.add_bos_token")) out.add_bos = file.flag_or("tokenizer.ggml.add_bos_token", false);
  if (file.has("tokenizer.ggml.add_eos_token")) out.add_eos = file.flag_or("tokenizer.ggml.add_eos_token", false);
  const std::vector<std::string_view> tokens =
      file.has("tokenizer.ggml.tokens") ? file.texts("tokenizer.ggml.tokens") : std::vector<std::string_view>();
  const auto text_of = [&](const char* key) {
    const std::int64_t id = file.integer_or(key, -1);
    return id >= 0 && static_cast<std::uint64_t>(id) < tokens.size() ? std::string(tokens[static_cast<std::size_t>(id)]) : std::string();
  };
  out.bos_token = text_of("tokenizer.ggml.bos_token_id");
  out.eos_token = text_of("tokenizer.ggml.eos_token_id");
  return out;
}

TextFiles find_text_files(const Checkpoint& checkpoint) {
  return checkpoint.gguf() != nullptr ? find_text_files(*checkpoint.gguf()) : find_text_files(checkpoint.path());
}

}  // namespace vernier::io
