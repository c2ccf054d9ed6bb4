// Parsing within a memory bound, and typed access.
#include "common/io/json_fields.hpp"

#include <cmath>
#include <new>
#include <utility>

#include "common/io/mapped_file.hpp"
#include "common/io/names.hpp"
#include "vernier/core/error.hpp"

namespace vernier::io {

namespace json = boost::json;

namespace {

constexpr std::size_t max_depth = 32;

// Refuses to hold more than `limit` bytes at once: small texts can describe large values.
class BoundedMemory final : public json::memory_resource {
 public:
  explicit BoundedMemory(std::size_t limit) : limit_(limit) {}

 private:
  void* do_allocate(std::size_t bytes, std::size_t) override {
    if (bytes > limit_ - used_) throw std::bad_alloc();
    void* memory = ::operator new(bytes);
    used_ += bytes;
    return memory;
  }
  void do_deallocate(void* memory, std::size_t bytes, std::size_t) override {
    used_ -= bytes;
    ::operator delete(memory);
  }
  bool do_is_equal(const json::memory_resource& other) const noexcept override { return this == &other; }

  std::size_t limit_, used_ = 0;
};

std::size_t line_of(std::string_view text, std::size_t position) {
  std::size_t line = 1;
  for (std::size_t i = 0; i < position && i < text.size(); ++i) line += text[i] == '\n' ? 1 : 0;
  return line;
}

}  // namespace

struct JsonDocument::Contents {
  explicit Contents(std::size_t limit) : memory(limit) {}
  BoundedMemory memory;
  json::value root;  // lives in memory, so it is destroyed first
};

JsonDocument::JsonDocument(std::string file, std::string_view text)
    : file_(std::move(file)), contents_(std::make_unique<Contents>(8 * text.size() + (1 << 20))) {
  if (!is_utf8(text)) fail(file_, "is not UTF-8");
  json::parse_options options;
  options.max_depth = max_depth;
  json::storage_ptr storage(&contents_->memory);
  std::size_t used = 0;
  json::error_code error;
  json::value root(storage);
  try {
    json::stream_parser parser(storage, options);
    used = parser.write_some(text.data(), text.size(), error);
    if (!error && used < text.size()) error = json::error::extra_data;
    if (!error) parser.finish(error);
    if (!error) root = parser.release();
  } catch (const std::bad_alloc&) {
    fail(file_, "holds far more JSON values than a file of ", text.size(), " bytes should");
  }
  if (error == json::error::too_deep) fail(file_, "nests JSON values deeper than the ", max_depth, " levels that we read");
  if (error) fail(file_, "is not valid JSON: ", error.message(), " in line ", line_of(text, used));
  if (!root.is_object()) fail(file_, "holds ", json_text(root), ", expected a JSON object");
  contents_->root = json::value(std::move(root), storage);
}

JsonDocument::~JsonDocument() = default;
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;

JsonDocument JsonDocument::read(const std::string& path, std::size_t limit) { return JsonDocument(path, read_text_file(path, limit)); }

const json::object& JsonDocument::root() const { return contents_->root.get_object(); }

std::string json_text(const json::value& value) {
  switch (value.kind()) {
    case json::kind::object: return "an object";
    case json::kind::array: return "an array";
    case json::kind::string: return quoted(std::string_view(value.get_string().data(), value.get_string().size()));
    case json::kind::double_: return concat(value.get_double());
    default: return json::serialize(value);
  }
}

JsonFields::JsonFields(const json::object& object, std::string file, std::string prefix)
    : object_(&object), file_(std::move(file)), prefix_(std::move(prefix)) {}

const json::value* JsonFields::find(std::string_view name) const {
  const json::value* value = object_->if_contains({name.data(), name.size()});
  return value != nullptr && !value->is_null() ? value : nullptr;
}

void JsonFields::fail_field(std::string_view name, const std::string& expected) const {
  const json::value* value = find(name);
  if (value == nullptr) fail(file_, "the field ", prefix_, name, " is missing, expected ", expected);
  fail(file_, prefix_, name, " = ", json_text(*value), ", expected ", expected);
}

const json::value& JsonFields::require(std::string_view name) const {
  const json::value* value = find(name);
  if (value == nullptr) fail(file_, "the field ", prefix_, name, " is missing");
  return *value;
}

int JsonFields::integer_of(std::string_view name, const json::value& value, int least, int largest) const {
  if (!value.is_int64() || value.get_int64() < least || value.get_int64() > largest) {
    fail(file_, prefix_, name, " = ", json_text(value), ", expected an integer from ", least, " to ", largest);
  }
  return static_cast<int>(value.get_int64());
}

int JsonFields::integer(std::string_view name, int least, int largest) const { return integer_of(name, require(name), least, largest); }

int JsonFields::integer_or(std::string_view name, int least, int largest, int fallback) const {
  return has(name) ? integer(name, least, largest) : fallback;
}

double JsonFields::positive(std::string_view name) const {
  const json::value& value = require(name);
  const double number = value.is_number() ? value.to_number<double>() : 0;
  if (!(number > 0) || !std::isfinite(number)) fail_field(name, "a finite number above 0");
  return number;
}

double JsonFields::positive_or(std::string_view name, double fallback) const { return has(name) ? positive(name) : fallback; }

bool JsonFields::flag_or(std::string_view name, bool fallback) const {
  const json::value* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) fail_field(name, "true or false");
  return value->get_bool();
}

std::string JsonFields::text(std::string_view name) const {
  const json::value& value = require(name);
  if (!value.is_string()) fail_field(name, "a string");
  return std::string(value.get_string().data(), value.get_string().size());
}

std::string JsonFields::text_or(std::string_view name, std::string fallback) const { return has(name) ? text(name) : std::move(fallback); }

std::optional<JsonFields> JsonFields::object(std::string_view name) const {
  const json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) fail_field(name, "an object");
  return JsonFields(value->get_object(), file_, concat(prefix_, name, "."));
}

std::vector<int> JsonFields::integers(std::string_view name, int least, int largest) const {
  const json::value* value = find(name);
  if (value == nullptr) return {};
  if (!value->is_array()) return {integer_of(name, *value, least, largest)};
  std::vector<int> out;
  for (const json::value& element : value->get_array()) out.push_back(integer_of(name, element, least, largest));
  return out;
}

std::vector<std::string> JsonFields::texts(std::string_view name) const {
  const json::value* value = find(name);
  if (value == nullptr) return {};
  if (!value->is_array()) fail_field(name, "an array of strings");
  std::vector<std::string> out;
  for (const json::value& element : value->get_array()) {
    if (!element.is_string()) fail(file_, prefix_, name, " holds ", json_text(element), ", expected strings alone");
    out.emplace_back(element.get_string().data(), element.get_string().size());
  }
  return out;
}

}  // namespace vernier::io
