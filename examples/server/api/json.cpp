// A Boost.JSON parser with our own handler in between, because its ready-made one lets the last of two equal keys win.
#include "server/api/json.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_stack.hpp>
#include <cmath>
#include <set>
#include <vector>

#include "server/api/error.hpp"
#include "vernier/core/error.hpp"

namespace vernier::serve {
namespace {

namespace json = boost::json;
using boost::system::error_code;

constexpr std::size_t excerpt_bytes = 60;

/// Builds the value and watches the keys. `problem` is set when a document is JSON, but not one that we accept.
struct Handler {
  static constexpr std::size_t max_object_size = 100'000, max_array_size = 4'000'000;
  static constexpr std::size_t max_key_size = 4096, max_string_size = std::size_t{1} << 30;

  json::value_stack stack;
  std::vector<std::set<std::string, std::less<>>> keys;
  std::string key, problem;

  bool refuse(std::string why, error_code& error) {
    problem = std::move(why);
    error = json::error::syntax;
    return false;
  }

  bool on_document_begin(error_code&) { return stack.reset(), true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return keys.emplace_back(), true; }
  bool on_object_end(std::size_t count, error_code&) { return keys.pop_back(), stack.push_object(count), true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t count, error_code&) { return stack.push_array(count), true; }
  bool on_key_part(json::string_view part, std::size_t, error_code&) { return key.append(part), stack.push_chars(part), true; }
  bool on_key(json::string_view part, std::size_t, error_code& error) {
    key.append(part);
    stack.push_key(part);
    if (!keys.back().insert(key).second) return refuse(concat("the key ", shown(json::value(key)), " appears twice in one object"), error);
    return key.clear(), true;
  }
  bool on_string_part(json::string_view part, std::size_t, error_code&) { return stack.push_chars(part), true; }
  bool on_string(json::string_view part, std::size_t, error_code&) { return stack.push_string(part), true; }
  bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t value, json::string_view, error_code&) { return stack.push_int64(value), true; }
  bool on_uint64(std::uint64_t value, json::string_view, error_code&) { return stack.push_uint64(value), true; }
  bool on_double(double value, json::string_view, error_code& error) {
    if (!std::isfinite(value)) return refuse("a number is too large", error);
    return stack.push_double(value), true;
  }
  bool on_bool(bool value, error_code&) { return stack.push_bool(value), true; }
  bool on_null(error_code&) { return stack.push_null(), true; }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }
};

std::size_t utf8_length(std::string_view s) {  // of the valid character at the front; 0 if there is none
  const auto byte = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return tail(1) ? 2 : 0;
  if ((first & 0xf0u) == 0xe0) {
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;  // overlong, surrogate
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first < 0xf5) {
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;  // overlong, beyond U+10FFFF
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

json::value parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = max_json_depth;
  json::basic_parser<Handler> parser(options);
  error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  const Handler& handler = parser.handler();
  if (!handler.problem.empty())
    throw ApiError(400, concat("the body cannot be accepted: ", handler.problem, ", at byte ", used), {}, "invalid_json");
  if (error == json::error::too_deep)
    throw ApiError(400, concat("the body nests deeper than ", max_json_depth, " levels, at byte ", used), {}, "invalid_json");
  if (error) throw ApiError(400, concat("the body is not valid JSON: ", error.message(), ", at byte ", used), {}, "invalid_json");
  if (used != text.size()) throw ApiError(400, concat("the body goes on behind the JSON value, at byte ", used), {}, "invalid_json");
  return parser.handler().stack.release();
}

json::object parse_body(std::string_view text) {
  if (text.empty()) throw ApiError(400, "the body is empty, expected a JSON object", {}, "invalid_json");
  json::value value = parse_json(text);
  if (!value.is_object()) throw ApiError(400, concat("the body is ", shown(value), ", expected a JSON object"), {}, "invalid_json");
  return std::move(value.get_object());
}

std::string shown(const json::value& value) {
  std::string text;
  if (value.is_array())
    text = concat("an array of ", value.get_array().size(), value.get_array().size() == 1 ? " element" : " elements");
  else if (value.is_object())
    text = concat("an object of ", value.get_object().size(), value.get_object().size() == 1 ? " field" : " fields");
  else if (value.is_string())
    text = json::serialize(json::string_view(value.get_string()).substr(0, excerpt_bytes * 4));
  else if (value.is_double())
    text = concat(value.get_double());  // 2.5, where Boost.JSON prints 2.5E0
  else
    text = json::serialize(value);
  return excerpt(std::move(text));
}

std::string excerpt(std::string text) {
  if (text.size() <= excerpt_bytes) return text;
  text.resize(excerpt_bytes);
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0u) == 0x80u) text.pop_back();
  if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0x80u) text.pop_back();
  return text + "...";
}

std::string valid_utf8(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    length ? out.append(bytes.substr(0, length)) : out.append("\xef\xbf\xbd");
    bytes.remove_prefix(length ? length : 1);
  }
  return out;
}

}  // namespace vernier::serve
