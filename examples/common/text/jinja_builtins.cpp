// Look-up of builtins, the binding of their arguments, and the global functions.
#include "common/text/jinja_builtins.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include "common/text/jinja_eval.hpp"

namespace vernier::text::jinja {
namespace {

const Builtin* find_in(std::span<const Builtin> list, std::string_view name) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Builtin& entry) { return entry.name == name; });
  return found == list.end() ? nullptr : &*found;
}

Value global_range(Evaluator& eval, const Value&, const Arguments& args) {
  Run& run = eval.run;
  const Bound bound(run, "range", args, {"start", "stop", "step"}, 1);
  const bool one = bound.at(1) == nullptr;
  const std::int64_t start = one ? 0 : bound.integer(0, 0), stop = bound.integer(one ? 0 : 1, 0), step = bound.integer(2, 1);
  if (step == 0) run.fail("range() arg 3 must not be zero");
  const auto distance = static_cast<long double>(step > 0 ? stop : start) - static_cast<long double>(step > 0 ? start : stop);
  const long double count = distance <= 0 ? 0 : distance / static_cast<long double>(step > 0 ? step : -static_cast<long double>(step));
  if (count > static_cast<long double>(run.limits.range)) run.fail("range() of more than ", run.limits.range, " elements");
  std::vector<Value> items;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  run.step(items.size());
  Value value = make_sequence(run, std::move(items), SequenceKind::range);
  value.sequence()->label = concat("range(", start, ", ", stop, step == 1 ? std::string() : concat(", ", step), ")");
  return value;
}

Value global_dict(Evaluator& eval, const Value&, const Arguments& args) {
  auto dict = std::make_shared<Dict>();
  if (args.positional.size() > 1) eval.run.fail("dict expected at most 1 argument, got ", args.positional.size());
  if (!args.positional.empty()) {
    const Value& from = args.positional[0];
    if (from.dict())
      for (const auto& [key, value] : from.dict()->entries) dict->set(eval.run, key, value);
    else
      for (const Value& pair : elements(eval.run, from)) {
        const std::vector<Value> two = elements(eval.run, pair);
        if (two.size() != 2) eval.run.fail("dict() needs pairs, got an element of length ", two.size());
        dict->set(eval.run, two[0], two[1]);
      }
  }
  for (const auto& [name, value] : args.named) dict->set(eval.run, make_string(name), value);
  return Value(std::move(dict));
}

Value global_namespace(Evaluator& eval, const Value& self, const Arguments& args) {
  const Value initial = global_dict(eval, self, args);
  Value object = eval.new_namespace();
  for (const auto& [key, value] : initial.dict()->entries) {
    if (!key.text()) eval.run.fail("names in a namespace must be strings");
    if (key.text()->bytes.starts_with('_'))
      eval.run.fail("a namespace cannot hold ", quoted(key.text()->bytes), ": names that start with '_' are refused");
    object.as<NamespacePtr>()->entries.emplace_back(key.text()->bytes, value);
  }
  return object;
}

Value global_raise_exception(Evaluator& eval, const Value&, const Arguments& args) {
  const Bound bound(eval.run, "raise_exception", args, {"message"}, 1);
  throw TemplateError(to_text(eval.run, *bound.at(0)).bytes, eval.run.line, /*raised=*/true);
}

Value global_strftime_now(Evaluator& eval, const Value&, const Arguments& args) {
  const Bound bound(eval.run, "strftime_now", args, {"format"}, 1);
  const Text& format = bound.text(0);
  if (format.bytes.size() > 256 || format.bytes.find('\0') != std::string::npos)
    eval.run.fail("the format of strftime_now is longer than 256 bytes or holds a NUL");
  const std::time_t now = static_cast<std::time_t>(eval.run.now);
  std::tm parts{};
  if (gmtime_r(&now, &parts) == nullptr) eval.run.fail("the time ", eval.run.now, " is out of range");
  std::array<char, 4096> out;
  // A leading character tells an empty result from one that did not fit.
  const std::size_t size = std::strftime(out.data(), out.size(), ("x" + format.bytes).c_str(), &parts);
  if (size == 0) eval.run.fail("the format of strftime_now is too long");
  return make_string(std::string_view(out.data() + 1, size - 1), format.all_trusted());
}

constexpr std::array<Builtin, 5> globals{{{"range", global_range},
                                          {"dict", global_dict},
                                          {"namespace", global_namespace},
                                          {"raise_exception", global_raise_exception},
                                          {"strftime_now", global_strftime_now}}};

}  // namespace

const Builtin* find_filter(std::string_view name) {
  for (std::span<const Builtin> list : {text_filters(), list_filters(), select_filters(), number_filters()})
    if (const Builtin* found = find_in(list, name)) return found;
  return nullptr;
}

const Builtin* find_global(std::string_view name) { return find_in(globals, name); }

const Builtin* find_method(const Value& self, std::string_view name) {
  if (self.text()) {
    for (std::span<const Builtin> list : {string_methods(), string_search_methods(), string_pad_methods()})
      if (const Builtin* found = find_in(list, name)) return found;
    return nullptr;
  }
  if (self.dict()) return find_in(dict_methods(), name);
  if (self.sequence() && self.sequence()->kind <= SequenceKind::range) return find_in(list_methods(), name);
  if (self.is<LoopPtr>()) return find_in(loop_methods(), name);
  return nullptr;
}

bool is_forbidden_method(const Value& self, std::string_view name) {
  constexpr std::array<std::string_view, 5> of_dicts{"clear", "pop", "popitem", "setdefault", "update"};
  constexpr std::array<std::string_view, 8> of_lists{"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
  if (self.dict()) return std::find(of_dicts.begin(), of_dicts.end(), name) != of_dicts.end();
  if (self.sequence() && self.sequence()->kind == SequenceKind::list)
    return std::find(of_lists.begin(), of_lists.end(), name) != of_lists.end();
  return false;
}

Bound::Bound(Run& run, std::string_view function, const Arguments& args, std::initializer_list<std::string_view> names,
             std::size_t required)
    : run_(run), function_(function), values_(names.size()), names_(names) {
  if (args.positional.size() > names.size())
    run.fail(function, " takes at most ", names.size(), " argument(s), got ", args.positional.size());
  for (std::size_t i = 0; i < args.positional.size(); ++i) values_[i] = &args.positional[i];
  for (const auto& [name, value] : args.named) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) run.fail(function, " got an unexpected keyword argument '", name, "'");
    const Value*& slot = values_[static_cast<std::size_t>(found - names_.begin())];
    if (slot != nullptr) run.fail(function, " got multiple values for argument '", name, "'");
    slot = &value;
  }
  for (std::size_t i = 0; i < required; ++i)
    if (values_[i] == nullptr) run.fail(function, " is missing its argument '", names_[i], "'");
}

std::int64_t Bound::integer(std::size_t i, std::int64_t fallback) const {
  return values_[i] ? to_integer(run_, *values_[i], concat(function_, ": ", names_[i])) : fallback;
}

const Text& Bound::text(std::size_t i) const {
  if (values_[i]->undefined()) run_.fail(*values_[i]->as<Undefined>().message);
  if (!values_[i]->text()) run_.fail(function_, ": ", names_[i], " must be a string, not '", type_name(*values_[i]), "'");
  return *values_[i]->text();
}

}  // namespace vernier::text::jinja
