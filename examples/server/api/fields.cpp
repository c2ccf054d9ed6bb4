// See fields.hpp.
#include "server/api/fields.hpp"

#include <cmath>

#include "server/api/error.hpp"
#include "server/api/json.hpp"
#include "vernier/core/error.hpp"

namespace vernier::serve {

namespace json = boost::json;

std::optional<std::int64_t> whole(const json::value& value) {
  if (value.is_int64()) return value.get_int64();
  if (value.is_double()) {
    const double x = value.get_double();
    if (x == std::floor(x) && std::abs(x) <= 9007199254740992.0)
      return static_cast<std::int64_t>(x);  // 2^53: doubles are exact up to there
  }
  return std::nullopt;
}

const json::value* Fields::find(std::string_view name) {
  read_.emplace(name);
  const auto* found = object_.if_contains(json::string_view(name.data(), name.size()));
  return found && !found->is_null() ? found : nullptr;
}

std::optional<bool> Fields::boolean(std::string_view name) {
  const json::value* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_bool()) refuse(name, *value, "true or false");
  return value->get_bool();
}

std::optional<std::int64_t> Fields::integer(std::string_view name, std::int64_t low, std::int64_t high) {
  const json::value* value = find(name);
  if (!value) return std::nullopt;
  const auto number = whole(*value);
  if (!number || *number < low || *number > high) refuse(name, *value, concat("a whole number from ", low, " to ", high));
  return number;
}

std::optional<double> Fields::number(std::string_view name, double low, double high, bool above) {
  const json::value* value = find(name);
  if (!value) return std::nullopt;
  const auto text = [&] { return concat("a number ", above ? "above " : "from ", low, above ? ", at most " : " to ", high); };
  if (!value->is_number()) refuse(name, *value, text());
  const double x = value->is_double()  ? value->get_double()
                   : value->is_int64() ? static_cast<double>(value->get_int64())
                                       : static_cast<double>(value->get_uint64());
  if (!(x >= low && x <= high) || (above && x == low)) refuse(name, *value, text());
  return x;
}

std::optional<std::string> Fields::string(std::string_view name, std::size_t most_bytes) {
  const json::value* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_string() || value->get_string().size() > most_bytes)
    refuse(name, *value, concat("a string of at most ", most_bytes, " bytes"));
  return std::string(value->get_string());
}

const json::object* Fields::object(std::string_view name) {
  const json::value* value = find(name);
  if (value && !value->is_object()) refuse(name, *value, "an object");
  return value ? &value->get_object() : nullptr;
}

const json::array* Fields::array(std::string_view name, std::size_t most) {
  const json::value* value = find(name);
  if (value && (!value->is_array() || value->get_array().size() > most))
    refuse(name, *value, concat("an array of at most ", most, " elements"));
  return value ? &value->get_array() : nullptr;
}

std::vector<std::string> Fields::unread() const {
  std::vector<std::string> out;
  for (const auto& field : object_)
    if (!read_.contains(std::string_view(field.key().data(), field.key().size()))) out.push_back(excerpt(field.key()));
  return out;
}

void Fields::refuse(std::string_view name, const json::value& value, std::string_view expected) const {
  throw ApiError(400, concat(full(name), " is ", shown(value), ", expected ", expected), full(name), "invalid_value");
}

}  // namespace vernier::serve
