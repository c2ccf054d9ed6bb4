// Values: construction, truth, equality, order and dictionaries.
#include "common/text/jinja_value.hpp"

#include <algorithm>
#include <cmath>

#include "common/text/jinja_callable.hpp"
#include "common/text/jinja_unicode.hpp"

namespace vernier::text::jinja {
namespace {

/// One text for all keys that Python holds equal; fails for what Python cannot hash.
std::string canonical_key(Run& run, const Value& key) {
  if (const Text* text = key.text()) return "s" + text->bytes;
  if (key.none()) return "n";
  if (key.undefined()) return "u";
  if (const auto* big = key.get<BigInteger>()) return "i" + *big->digits;
  if (const auto* real = key.get<double>()) {
    const bool integral = *real == std::floor(*real) && std::abs(*real) < 9e18;
    return integral ? "i" + std::to_string(static_cast<std::int64_t>(*real)) : "f" + float_repr(*real);
  }
  if (is_number(key)) return "i" + std::to_string(to_integer(run, key, "key"));
  if (const Sequence* sequence = key.sequence(); sequence && sequence->kind == SequenceKind::tuple) {
    std::string out = "t";
    for (const Value& item : sequence->items) {
      const std::string part = canonical_key(run, item);
      out += std::to_string(part.size()) + ":" + part;
    }
    run.charge(out.size());
    return out;
  }
  run.fail("unhashable type: '", type_name(key), "'");
}

int nesting_of(const Value& value) {
  if (const Sequence* sequence = value.sequence()) return sequence->nesting;
  if (const Dict* dict = value.dict()) return dict->nesting;
  if (const auto* callable = value.get<CallablePtr>()) return (*callable)->nesting;
  return 0;
}

int checked_nesting(Run& run, int nesting) {
  if (nesting > run.limits.nesting) run.fail("lists and dicts nested more than ", run.limits.nesting, " deep");
  return nesting;
}

bool equal_sequences(Run& run, const Sequence& a, const Sequence& b) {
  if (&a == &b) return true;
  const bool comparable =
      a.kind == b.kind && (a.kind == SequenceKind::list || a.kind == SequenceKind::tuple || a.kind == SequenceKind::range);
  if (!comparable || a.items.size() != b.items.size()) return false;
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(), [&](const Value& x, const Value& y) { return equal(run, x, y); });
}

bool equal_dicts(Run& run, const Dict& a, const Dict& b) {
  if (&a == &b) return true;
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = b.find(run, key);
    if (other == nullptr || !equal(run, value, *other)) return false;
  }
  return true;
}

/// -1, 0, 1, or 2 for a NaN.
int order_numbers(const Value& a, const Value& b) {
  const auto wide = [](const Value& v) {  // 64 bits of mantissa hold every int64 and every double
    if (const auto* i = v.get<std::int64_t>()) return static_cast<long double>(*i);
    return static_cast<long double>(to_double(v));
  };
  const long double x = wide(a), y = wide(b);
  return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
}

}  // namespace

const std::size_t* Dict::at(const std::string& canonical) const {
  const auto found = index_.find(canonical);
  return found == index_.end() ? nullptr : &found->second;
}

const Value* Dict::find(std::string_view text) const {
  const std::size_t* i = at("s" + std::string(text));
  return i ? &entries[*i].second : nullptr;
}

const Value* Dict::find(Run& run, const Value& key) const {
  const std::size_t* i = at(canonical_key(run, key));
  return i ? &entries[*i].second : nullptr;
}

void Dict::set(Run& run, const Value& key, Value value) {
  std::string canonical = canonical_key(run, key);
  run.charge(2 * sizeof(Value) + canonical.size());
  nesting = checked_nesting(run, std::max({nesting, 1 + nesting_of(value), 1 + nesting_of(key)}));
  if (const std::size_t* i = at(canonical)) {
    entries[*i].second = std::move(value);
    return;
  }
  index_.emplace(std::move(canonical), entries.size());
  entries.emplace_back(key, std::move(value));
}

Value* Namespace::find(std::string_view name) {
  for (auto& [key, value] : entries)
    if (key == name) return &value;
  return nullptr;
}

Value make_undefined(std::string message) { return Value(Undefined{std::make_shared<const std::string>(std::move(message))}); }

Value make_string(std::string_view text, bool trusted) { return Value(Text(std::string(text), trusted)); }

Value make_method(Run& run, const Builtin& method, const Value& self) {
  const int nesting = checked_nesting(run, 1 + nesting_of(self));
  return Value(
      std::make_shared<const Callable>(Callable{.name = std::string(method.name), .builtin = &method, .self = self, .nesting = nesting}));
}

Value make_sequence(Run& run, std::vector<Value> items, SequenceKind kind) {
  run.charge(items.size() * sizeof(Value) + sizeof(Sequence));
  auto sequence = std::make_shared<Sequence>();
  sequence->kind = kind;
  for (const Value& item : items) sequence->nesting = std::max(sequence->nesting, 1 + nesting_of(item));
  checked_nesting(run, sequence->nesting);
  sequence->items = std::move(items);
  return Value(std::move(sequence));
}

Value from_json(Run& run, const boost::json::value& json) {
  const Depth depth(run);
  run.step();
  switch (json.kind()) {
    case boost::json::kind::null: return Value(None{});
    case boost::json::kind::bool_: return Value(json.get_bool());
    case boost::json::kind::int64: return Value(std::int64_t{json.get_int64()});
    case boost::json::kind::uint64:
      if (json.get_uint64() <= INT64_MAX) return Value(static_cast<std::int64_t>(json.get_uint64()));
      return Value(BigInteger{std::make_shared<const std::string>(std::to_string(json.get_uint64()))});
    case boost::json::kind::double_: return Value(json.get_double());
    case boost::json::kind::string:
      run.charge(json.get_string().size());
      if (!valid_utf8(std::string_view(json.get_string()))) run.fail("a string of the messages is not valid UTF-8");
      return make_string(std::string_view(json.get_string()));
    case boost::json::kind::array: {
      std::vector<Value> items;
      items.reserve(json.get_array().size());
      for (const auto& item : json.get_array()) items.push_back(from_json(run, item));
      return make_sequence(run, std::move(items));
    }
    case boost::json::kind::object: break;
  }
  auto dict = std::make_shared<Dict>();
  for (const auto& [key, value] : json.get_object()) dict->set(run, make_string(std::string_view(key)), from_json(run, value));
  return Value(std::move(dict));
}

bool truthy(const Value& value) {
  if (value.undefined() || value.none()) return false;
  if (const auto* b = value.get<bool>()) return *b;
  if (const auto* i = value.get<std::int64_t>()) return *i != 0;
  if (const auto* d = value.get<double>()) return *d != 0;
  if (const Text* text = value.text()) return !text->bytes.empty();
  if (const Sequence* sequence = value.sequence()) return sequence->kind == SequenceKind::generator || !sequence->items.empty();
  if (const Dict* dict = value.dict()) return !dict->entries.empty();
  return true;
}

bool equal(Run& run, const Value& a, const Value& b) {
  run.step();
  if (is_number(a) && is_number(b)) return order_numbers(a, b) == 0;
  if (a.data.index() != b.data.index()) return false;
  if (const auto* big = a.get<BigInteger>()) return *big->digits == *b.as<BigInteger>().digits;
  if (const Text* text = a.text()) {
    run.step(text->bytes.size() / 64);
    return text->bytes == b.text()->bytes;
  }
  const Depth depth(run);
  if (const Sequence* sequence = a.sequence()) return equal_sequences(run, *sequence, *b.sequence());
  if (const Dict* dict = a.dict()) return equal_dicts(run, *dict, *b.dict());
  if (const auto* object = a.get<NamespacePtr>()) return *object == b.as<NamespacePtr>();
  if (const auto* callable = a.get<CallablePtr>()) return *callable == b.as<CallablePtr>();
  if (const auto* loop = a.get<LoopPtr>()) return *loop == b.as<LoopPtr>();
  return true;  // None or Undefined on both sides
}

bool less(Run& run, const Value& a, const Value& b) {
  run.step();
  if (is_number(a) && is_number(b)) return order_numbers(a, b) == -1;
  if (a.text() && b.text()) {
    run.step(std::min(a.text()->bytes.size(), b.text()->bytes.size()) / 64);
    return a.text()->bytes < b.text()->bytes;  // the order of UTF-8 bytes is that of code points
  }
  const Sequence *x = a.sequence(), *y = b.sequence();
  if (x && y && x->kind == y->kind && (x->kind == SequenceKind::list || x->kind == SequenceKind::tuple)) {
    const Depth depth(run);
    const std::size_t common = std::min(x->items.size(), y->items.size());
    for (std::size_t i = 0; i < common; ++i)
      if (!equal(run, x->items[i], y->items[i])) return less(run, x->items[i], y->items[i]);
    return x->items.size() < y->items.size();
  }
  if (a.undefined()) run.fail(*a.as<Undefined>().message);
  if (b.undefined()) run.fail(*b.as<Undefined>().message);
  run.fail("'<' not supported between instances of '", type_name(a), "' and '", type_name(b), "'");
}

std::string_view type_name(const Value& value) {
  struct Name {
    std::string_view operator()(const Undefined&) const { return "Undefined"; }
    std::string_view operator()(const None&) const { return "NoneType"; }
    std::string_view operator()(bool) const { return "bool"; }
    std::string_view operator()(std::int64_t) const { return "int"; }
    std::string_view operator()(const BigInteger&) const { return "int"; }
    std::string_view operator()(double) const { return "float"; }
    std::string_view operator()(const StringPtr&) const { return "str"; }
    std::string_view operator()(const SequencePtr& s) const {
      constexpr std::string_view names[] = {"list", "tuple", "range", "generator", "dict_keys", "dict_values", "dict_items"};
      return names[static_cast<int>(s->kind)];
    }
    std::string_view operator()(const DictPtr&) const { return "dict"; }
    std::string_view operator()(const NamespacePtr&) const { return "Namespace"; }
    std::string_view operator()(const CallablePtr&) const { return "function"; }
    std::string_view operator()(const LoopPtr&) const { return "LoopContext"; }
  };
  return std::visit(Name{}, value.data);
}

bool is_number(const Value& value) { return value.is<bool>() || value.is<std::int64_t>() || value.is<double>(); }

double to_double(const Value& value) {
  if (const auto* b = value.get<bool>()) return *b;
  if (const auto* i = value.get<std::int64_t>()) return static_cast<double>(*i);
  return value.as<double>();
}

std::int64_t to_integer(Run& run, const Value& value, std::string_view what) {
  if (const auto* b = value.get<bool>()) return *b;
  if (const auto* i = value.get<std::int64_t>()) return *i;
  if (value.undefined()) run.fail(*value.as<Undefined>().message);
  run.fail(what, " must be an integer, not '", type_name(value), "'");
}

std::vector<Value> elements(Run& run, const Value& value) {
  std::vector<Value> out;
  if (value.undefined()) return out;
  if (Sequence* sequence = value.sequence()) {
    run.step(sequence->items.size());
    out.assign(sequence->items.begin() + static_cast<std::ptrdiff_t>(sequence->next), sequence->items.end());
    if (sequence->error) std::rethrow_exception(sequence->error);
    if (sequence->kind == SequenceKind::generator) sequence->next = sequence->items.size();
  } else if (const Dict* dict = value.dict()) {
    run.step(dict->entries.size());
    for (const auto& entry : dict->entries) out.push_back(entry.first);
  } else if (const Text* text = value.text()) {
    run.step(text->bytes.size());
    run.charge(text->bytes.size() * (sizeof(Value) + sizeof(Text)));
    for (std::size_t at = 0; at < text->bytes.size();) {
      const std::size_t bytes = code_point(text->bytes, at).bytes;
      out.emplace_back(text->slice(at, at + bytes));
      at += bytes;
    }
  } else {
    run.fail("'", type_name(value), "' object is not iterable");
  }
  return out;
}

}  // namespace vernier::text::jinja
