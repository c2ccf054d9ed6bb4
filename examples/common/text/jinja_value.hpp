// What a template computes with: Python's None, bool, int, float, str, list, tuple, dict and a few objects of jinja2. Copies share.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "common/text/jinja_run.hpp"
#include "common/text/jinja_text.hpp"

namespace vernier::text::jinja {

struct Sequence;
class Dict;
struct Namespace;
struct Callable;
struct Loop;
class Value;

struct None {};
/// jinja2's default Undefined: prints as nothing, is false and empty; any other use fails with the message.
struct Undefined {
  std::shared_ptr<const std::string> message;
};
/// An integer beyond 64 bits, which only input can bring: printed, never computed with.
struct BigInteger {
  std::shared_ptr<const std::string> digits;
};

using StringPtr = std::shared_ptr<const Text>;
using SequencePtr = std::shared_ptr<Sequence>;
using DictPtr = std::shared_ptr<Dict>;
using NamespacePtr = std::shared_ptr<Namespace>;
using CallablePtr = std::shared_ptr<const Callable>;
using LoopPtr = std::shared_ptr<Loop>;

class Value {
 public:
  using Data = std::variant<Undefined, None, bool, std::int64_t, BigInteger, double, StringPtr, SequencePtr, DictPtr, NamespacePtr,
                            CallablePtr, LoopPtr>;
  Data data;

  Value() : data(None{}) {}
  /// From an alternative. Asking about Value itself first keeps clang from going round in circles.
  template <class T>
  requires(!std::is_same_v<T, Value> && std::is_constructible_v<Data, std::in_place_type_t<T>, T>) explicit Value(T value)
      : data(std::in_place_type<T>, std::move(value)) {}
  explicit Value(Text text) : data(std::make_shared<const Text>(std::move(text))) {}

  template <class T>
  bool is() const {
    return std::holds_alternative<T>(data);
  }
  template <class T>
  const T& as() const {
    return std::get<T>(data);
  }
  template <class T>
  const T* get() const {
    return std::get_if<T>(&data);
  }
  const Text* text() const { return is<StringPtr>() ? as<StringPtr>().get() : nullptr; }
  Sequence* sequence() const { return is<SequencePtr>() ? as<SequencePtr>().get() : nullptr; }
  Dict* dict() const { return is<DictPtr>() ? as<DictPtr>().get() : nullptr; }
  bool undefined() const { return is<Undefined>(); }
  bool none() const { return is<None>(); }
};

/// Lists and what behaves nearly like one. A generator and a view have no length of their own in Python; a generator is used up by reading.
enum class SequenceKind { list, tuple, range, generator, keys, values, items };

struct Sequence {
  SequenceKind kind = SequenceKind::list;
  std::vector<Value> items;
  std::size_t next = 0;                // first element that a generator still has
  int nesting = 1;                     // lists in lists, bounded so that no recursion over a value runs out of stack
  std::string label = {};              // how a range prints
  std::exception_ptr error = nullptr;  // what computing the element behind the last one of a generator failed with
};

/// Insertion order kept; 1, 1.0 and true are one key, as in Python.
class Dict {
 public:
  std::vector<std::pair<Value, Value>> entries;
  int nesting = 1;

  const Value* find(std::string_view text) const;
  const Value* find(Run& run, const Value& key) const;
  void set(Run& run, const Value& key, Value value);

 private:
  const std::size_t* at(const std::string& canonical) const;
  std::unordered_map<std::string, std::size_t> index_;
};

/// namespace(): the one object that templates may change.
struct Namespace {
  std::vector<std::pair<std::string, Value>> entries;
  Value* find(std::string_view name);
};

Value make_undefined(std::string message);
Value make_string(std::string_view text, bool trusted = false);
/// A list or tuple; pays for it and checks its nesting.
Value make_sequence(Run& run, std::vector<Value> items, SequenceKind kind = SequenceKind::list);
/// Input to value; everything in it is untrusted.
Value from_json(Run& run, const boost::json::value& json);

bool truthy(const Value& value);
bool equal(Run& run, const Value& a, const Value& b);
/// Python's `a < b`; fails for types that have no order.
bool less(Run& run, const Value& a, const Value& b);
/// Python's name of the value's type, for messages.
std::string_view type_name(const Value& value);
/// True, 1 and 1.0 count as numbers.
bool is_number(const Value& value);
double to_double(const Value& value);
/// bool and int; fails with `what` otherwise.
std::int64_t to_integer(Run& run, const Value& value, std::string_view what);

/// Python's str(value) and repr(value), appended.
void append_str(Run& run, Text& out, const Value& value);
void append_repr(Run& run, Text& out, const Value& value);
Text to_text(Run& run, const Value& value);
/// Python's repr of a float: shortest digits that read back, 1e16 and 1e-05 style exponents.
std::string float_repr(double value);
/// Python's repr of a str, for messages.
std::string quoted(std::string_view text);

/// json.dumps with ensure_ascii=False unless asked otherwise; separators are Python's defaults for `indent`.
struct JsonStyle {
  bool ensure_ascii = false, sort_keys = false, indented = false;
  std::string indent = {}, item_separator = ", ", key_separator = ": ";
};
void append_json(Run& run, Text& out, const Value& value, const JsonStyle& style, int level = 0);

/// The elements that iterating over the value yields (characters of a string, keys of a dict); uses up a generator.
std::vector<Value> elements(Run& run, const Value& value);

}  // namespace vernier::text::jinja
