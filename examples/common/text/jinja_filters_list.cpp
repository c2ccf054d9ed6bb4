// Filters on lists and dicts: picking, ordering, grouping.
#include <algorithm>
#include <array>

#include "common/text/jinja_eval.hpp"
#include "common/text/jinja_unicode.hpp"

namespace vernier::text::jinja {
namespace {

using Args = const Arguments&;

Value filter_length(Evaluator& eval, const Value& self, Args) {
  if (const Text* text = self.text()) {
    eval.run.step(text->bytes.size() / 64);
    return Value(static_cast<std::int64_t>(count_code_points(text->bytes)));
  }
  if (const Dict* dict = self.dict()) return Value(static_cast<std::int64_t>(dict->entries.size()));
  if (self.undefined()) return Value(std::int64_t{0});
  if (const Sequence* sequence = self.sequence(); sequence && sequence->kind != SequenceKind::generator)
    return Value(static_cast<std::int64_t>(sequence->items.size()));
  eval.run.fail("object of type '", type_name(self), "' has no len()");
}

Value filter_default(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "default", args, {"default_value", "boolean"});
  const bool replace = self.undefined() || (bound.flag(1, false) && !truthy(self));
  return !replace ? self : bound.at(0) ? *bound.at(0) : make_string("");
}

Value filter_first(Evaluator& eval, const Value& self, Args) {
  Sequence* sequence = self.sequence();
  if (sequence && sequence->kind == SequenceKind::generator && sequence->next < sequence->items.size())
    return sequence->items[sequence->next++];
  const std::vector<Value> items = elements(eval.run, self);
  return items.empty() ? make_undefined("No first item, sequence was empty.") : items.front();
}

Value filter_last(Evaluator& eval, const Value& self, Args) {
  if (self.sequence() && self.sequence()->kind == SequenceKind::generator) eval.run.fail("'generator' object is not reversible");
  const std::vector<Value> items = elements(eval.run, self);
  return items.empty() ? make_undefined("No last item, sequence was empty.") : items.back();
}

Value filter_list(Evaluator& eval, const Value& self, Args) { return make_sequence(eval.run, elements(eval.run, self)); }

Value pair_of(Run& run, const std::pair<Value, Value>& entry) {
  return make_sequence(run, {entry.first, entry.second}, SequenceKind::tuple);
}

Value filter_items(Evaluator& eval, const Value& self, Args) {
  std::vector<Value> items;
  if (!self.undefined()) {
    if (!self.dict()) eval.run.fail("Can only get item pairs from a mapping.");
    for (const auto& entry : self.dict()->entries) items.push_back(pair_of(eval.run, entry));
  }
  return make_sequence(eval.run, std::move(items), SequenceKind::generator);
}

using Less = bool (*)(Run&, const Value&, const Value&);

/// Stable sort by keys; equal keys keep their order in both directions, as in Python.
void sort_by(Run& run, std::vector<std::pair<Value, Value>>& keyed, bool reverse) {
  std::stable_sort(keyed.begin(), keyed.end(),
                   [&](const auto& a, const auto& b) { return reverse ? less(run, b.first, a.first) : less(run, a.first, b.first); });
}

Value filter_dictsort(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "dictsort", args, {"case_sensitive", "by", "reverse"});
  if (!self.dict()) eval.run.fail("dictsort needs a mapping, not '", type_name(self), "'");
  const std::string by = bound.at(1) ? bound.text(1).bytes : "key";
  if (by != "key" && by != "value") eval.run.fail("dictsort: by must be 'key' or 'value', not '", by, "'");
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& entry : self.dict()->entries) {
    const Value& key = by == "key" ? entry.first : entry.second;
    keyed.emplace_back(bound.flag(0, false) ? key : fold_case(key), pair_of(eval.run, entry));
  }
  sort_by(eval.run, keyed, bound.flag(2, false));
  std::vector<Value> items;
  for (auto& entry : keyed) items.push_back(std::move(entry.second));
  return make_sequence(eval.run, std::move(items));
}

/// Keys of several attributes, "a,b", are compared one after the other.
Value sort_key(Evaluator& eval, const Value& item, const Value* attribute, bool case_sensitive) {
  std::vector<Value> parts;
  if (attribute == nullptr || attribute->none()) {
    parts.push_back(item);
  } else if (!attribute->text()) {
    parts.push_back(look_up(eval, item, *attribute));
  } else {
    const std::string& names = attribute->text()->bytes;
    for (std::size_t at = 0; at <= names.size();) {
      const std::size_t comma = std::min(names.find(',', at), names.size());
      parts.push_back(look_up(eval, item, make_string(names.substr(at, comma - at))));
      at = comma + 1;
    }
  }
  if (!case_sensitive)
    for (Value& part : parts) part = fold_case(part);
  return make_sequence(eval.run, std::move(parts));
}

Value filter_sort(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "sort", args, {"reverse", "case_sensitive", "attribute"});
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : elements(eval.run, self)) keyed.emplace_back(sort_key(eval, item, bound.at(2), bound.flag(1, false)), item);
  sort_by(eval.run, keyed, bound.flag(0, false));
  std::vector<Value> items;
  for (auto& entry : keyed) items.push_back(std::move(entry.second));
  return make_sequence(eval.run, std::move(items));
}

Value filter_unique(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "unique", args, {"case_sensitive", "attribute"});
  Dict seen;
  std::vector<Value> items;
  for (const Value& item : elements(eval.run, self)) {
    const Value value = bound.is_none(1) ? item : look_up(eval, item, *bound.at(1));
    const Value key = bound.flag(0, false) ? value : fold_case(value);
    if (seen.find(eval.run, key)) continue;
    seen.set(eval.run, key, Value());
    items.push_back(item);
  }
  return make_sequence(eval.run, std::move(items), SequenceKind::generator);
}

template <bool Max>
Value filter_extreme(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, Max ? "max" : "min", args, {"case_sensitive", "attribute"});
  Value best = make_undefined("No aggregated item, sequence was empty."), best_key;
  bool first = true;
  for (const Value& item : elements(eval.run, self)) {
    const Value value = bound.is_none(1) ? item : look_up(eval, item, *bound.at(1));
    const Value key = bound.flag(0, false) ? value : fold_case(value);
    if (first || (Max ? less(eval.run, best_key, key) : less(eval.run, key, best_key))) {
      best = item;
      best_key = key;
    }
    first = false;
  }
  return best;
}

Value filter_reverse(Evaluator& eval, const Value& self, Args) {
  std::vector<Value> items = elements(eval.run, self);
  std::reverse(items.begin(), items.end());
  if (!self.text()) return make_sequence(eval.run, std::move(items), SequenceKind::generator);
  Text out;
  for (const Value& item : items) out.append(*item.text());
  return Value(std::move(out));
}

Value filter_batch(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "batch", args, {"linecount", "fill_with"}, 1);
  const std::int64_t size = bound.integer(0, 1);
  if (size < 1 || size > eval.run.limits.range) eval.run.fail("batch: linecount must be from 1 to ", eval.run.limits.range, ", not ", size);
  std::vector<Value> rows, row;
  for (const Value& item : elements(eval.run, self)) {
    if (static_cast<std::int64_t>(row.size()) == size) rows.push_back(make_sequence(eval.run, std::exchange(row, {})));
    row.push_back(item);
  }
  if (!row.empty()) {
    if (!bound.is_none(1)) row.resize(static_cast<std::size_t>(size), *bound.at(1));
    rows.push_back(make_sequence(eval.run, std::move(row)));
  }
  return make_sequence(eval.run, std::move(rows), SequenceKind::generator);
}

constexpr std::array filters{
    Builtin{"length", filter_length},     Builtin{"count", filter_length},    Builtin{"default", filter_default},
    Builtin{"d", filter_default},         Builtin{"first", filter_first},     Builtin{"last", filter_last},
    Builtin{"list", filter_list},         Builtin{"items", filter_items},     Builtin{"dictsort", filter_dictsort},
    Builtin{"sort", filter_sort},         Builtin{"unique", filter_unique},   Builtin{"min", filter_extreme<false>},
    Builtin{"max", filter_extreme<true>}, Builtin{"reverse", filter_reverse}, Builtin{"batch", filter_batch},
};

}  // namespace

std::span<const Builtin> list_filters() { return filters; }

Value fold_case(const Value& value) { return value.text() ? Value(map_case(*value.text(), Case::lower)) : value; }

Value look_up(Evaluator& eval, const Value& object, const Value& path, const Value* fallback) {
  const auto step = [&](const Value& from, const Value& key) {
    Value found = eval.item(from, key);
    return found.undefined() && fallback ? *fallback : found;
  };
  if (!path.text()) return step(object, path);
  const std::string& names = path.text()->bytes;
  Value value = object;
  for (std::size_t at = 0; at <= names.size();) {
    const std::size_t dot = std::min(names.find('.', at), names.size());
    const std::string part = names.substr(at, dot - at);
    const bool number =
        !part.empty() && part.size() < 10 && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    value = step(value, number ? Value(std::int64_t{std::stoi(part)}) : make_string(part));
    at = dot + 1;
  }
  return value;
}

}  // namespace vernier::text::jinja
