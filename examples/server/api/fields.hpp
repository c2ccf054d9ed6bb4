// Typed, range-checked reading of a JSON object. Every refusal names the field, the value and what was expected.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vernier::serve {

/// Reads fields of one object and remembers which were asked for. null counts as absent. All throw ApiError(400).
class Fields {
 public:
  /// `prefix` is put in front of names in messages, for example "stream_options.". The object must outlive this.
  explicit Fields(const boost::json::object& object, std::string prefix = {}) : object_(object), prefix_(std::move(prefix)) {}

  /// The field, or nothing if it is absent or null.
  const boost::json::value* find(std::string_view name);

  std::optional<bool> boolean(std::string_view name);
  /// A whole number from `low` to `high`; 16.0 is one.
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t low, std::int64_t high);
  /// Finite, from `low` to `high`; `above`: low itself is not allowed.
  std::optional<double> number(std::string_view name, double low, double high, bool above = false);
  std::optional<std::string> string(std::string_view name, std::size_t most_bytes);
  const boost::json::object* object(std::string_view name);
  const boost::json::array* array(std::string_view name, std::size_t most);

  /// The names that are there and were never asked for, as messages show them.
  std::vector<std::string> unread() const;

  /// Throws: the value of `name`, and what was expected.
  [[noreturn]] void refuse(std::string_view name, const boost::json::value& value, std::string_view expected) const;

  std::string full(std::string_view name) const { return prefix_ + std::string(name); }

 private:
  const boost::json::object& object_;
  std::string prefix_;
  std::set<std::string, std::less<>> read_;
};

/// `value` as a whole number, if it is one that 64 signed bits hold.
std::optional<std::int64_t> whole(const boost::json::value& value);

}  // namespace vernier::serve
