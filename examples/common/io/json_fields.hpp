// JSON files of a model, parsed with limits and read field by field, so that each complaint names the file, the field and the value.
// Includes Boost.JSON: only for .cpp files.
#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vernier::io {

/// A parsed document and the bounded memory that it lives in.
class JsonDocument {
 public:
  /// Parses `text`, whose root must be an object. `file` names it in messages. Nesting beyond 32 levels, bad UTF-8 and more than eight
  /// times the text's size in memory (as an array of a million zeros would take) are errors.
  JsonDocument(std::string file, std::string_view text);
  ~JsonDocument();
  JsonDocument(JsonDocument&&) noexcept;

  /// Reads `path` if it has at most `limit` bytes.
  static JsonDocument read(const std::string& path, std::size_t limit);

  const std::string& file() const { return file_; }
  const boost::json::object& root() const;

 private:
  struct Contents;
  std::string file_;
  std::unique_ptr<Contents> contents_;
};

/// `value` in a message: its JSON text, shortened.
std::string json_text(const boost::json::value& value);

/// Fields of one object. A field that is null counts as missing. Every function throws Error if the value has the wrong type or range.
class JsonFields {
 public:
  /// `prefix` is put before field names in messages, for example "rope_scaling.".
  JsonFields(const boost::json::object& object, std::string file, std::string prefix = "");

  const std::string& file() const { return file_; }
  bool has(std::string_view name) const { return find(name) != nullptr; }
  const boost::json::value* find(std::string_view name) const;

  int integer(std::string_view name, int least, int largest) const;
  int integer_or(std::string_view name, int least, int largest, int fallback) const;
  /// A finite number above 0.
  double positive(std::string_view name) const;
  double positive_or(std::string_view name, double fallback) const;
  bool flag_or(std::string_view name, bool fallback) const;
  std::string text(std::string_view name) const;
  std::string text_or(std::string_view name, std::string fallback) const;
  /// The object `name`, or nothing.
  std::optional<JsonFields> object(std::string_view name) const;
  /// One integer or an array of them; empty if missing.
  std::vector<int> integers(std::string_view name, int least, int largest) const;
  std::vector<std::string> texts(std::string_view name) const;

  [[noreturn]] void fail_field(std::string_view name, const std::string& expected) const;

 private:
  const boost::json::value& require(std::string_view name) const;
  int integer_of(std::string_view name, const boost::json::value& value, int least, int largest) const;

  const boost::json::object* object_;
  std::string file_, prefix_;
};

}  // namespace vernier::io
