// The functions that jinja2 and transformers give to templates: filters, tests, methods and globals, found by name.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/text/jinja_value.hpp"

namespace vernier::text::jinja {

class Evaluator;

/// Evaluated arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// One function. `self` is what a filter, test or method is applied to.
struct Builtin {
  std::string_view name;
  Value (*call)(Evaluator& eval, const Value& self, const Arguments& args);
};

/// The entry with this name, or null.
const Builtin* find_filter(std::string_view name);
const Builtin* find_test(std::string_view name);
const Builtin* find_global(std::string_view name);
const Builtin* find_method(const Value& self, std::string_view name);
/// True for methods that the sandbox hides because they would change the object.
bool is_forbidden_method(const Value& self, std::string_view name);

/// Arguments in the order of the parameters. at(i) is null where the caller gave none.
class Bound {
 public:
  /// Fails if there are more arguments than names, an unknown or doubled name, or fewer than `required`.
  Bound(Run& run, std::string_view function, const Arguments& args, std::initializer_list<std::string_view> names,
        std::size_t required = 0);

  const Value* at(std::size_t i) const { return values_[i]; }
  /// The argument, or the fallback if absent.
  bool flag(std::size_t i, bool fallback) const { return values_[i] ? truthy(*values_[i]) : fallback; }
  std::int64_t integer(std::size_t i, std::int64_t fallback) const;
  /// The argument as a string; fails if it is none.
  const Text& text(std::size_t i) const;
  bool is_none(std::size_t i) const { return values_[i] == nullptr || values_[i]->none(); }

 private:
  Run& run_;
  std::string_view function_;
  std::vector<const Value*> values_;
  std::vector<std::string_view> names_;
};

/// Lists of one topic each, in jinja_filters_*.cpp, jinja_tests.cpp and jinja_methods_*.cpp.
std::span<const Builtin> text_filters();
std::span<const Builtin> list_filters();
std::span<const Builtin> select_filters();
std::span<const Builtin> number_filters();
std::span<const Builtin> string_methods();
std::span<const Builtin> string_search_methods();
std::span<const Builtin> string_pad_methods();
std::span<const Builtin> dict_methods();
std::span<const Builtin> list_methods();
std::span<const Builtin> loop_methods();

/// str % arguments and str.format(arguments).
Value format_percent(Evaluator& eval, const Text& format, const Value& arguments);
Value format_braces(Evaluator& eval, const Value& format, const Arguments& args);

/// The elements as sort keys: ignores case of strings unless told not to.
Value fold_case(const Value& value);
/// `a.b.0` of a value, as filters with attribute= look it up; `fallback` stands in for each missing part.
Value look_up(Evaluator& eval, const Value& object, const Value& path, const Value* fallback = nullptr);

}  // namespace vernier::text::jinja
