// Methods of dict, list and loop.
#include <array>

#include "common/text/jinja_eval.hpp"

namespace vernier::text::jinja {
namespace {

using Args = const Arguments&;

Value dict_get(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "get", args, {"key", "default"}, 1);
  if (const Value* value = self.dict()->find(eval.run, *bound.at(0))) return *value;
  return bound.at(1) ? *bound.at(1) : Value();
}

template <SequenceKind Kind>
Value dict_view(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "dict view", args, {});
  std::vector<Value> items;
  for (const auto& [key, value] : self.dict()->entries) {
    if constexpr (Kind == SequenceKind::keys)
      items.push_back(key);
    else if constexpr (Kind == SequenceKind::values)
      items.push_back(value);
    else
      items.push_back(make_sequence(eval.run, {key, value}, SequenceKind::tuple));
  }
  eval.run.step(items.size());
  return make_sequence(eval.run, std::move(items), Kind);
}

Value dict_copy(Evaluator& eval, const Value& self, Args) {
  auto copy = std::make_shared<Dict>();
  for (const auto& [key, value] : self.dict()->entries) copy->set(eval.run, key, value);
  return Value(std::move(copy));
}

Value list_index(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "index", args, {"value"}, 1);
  std::int64_t i = 0;
  for (const Value& item : self.sequence()->items) {
    if (equal(eval.run, item, *bound.at(0))) return Value(i);
    ++i;
  }
  eval.run.fail("the value is not in the list");
}

Value list_count(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "count", args, {"value"}, 1);
  std::int64_t hits = 0;
  for (const Value& item : self.sequence()->items) hits += equal(eval.run, item, *bound.at(0));
  return Value(hits);
}

Value list_copy(Evaluator& eval, const Value& self, Args) {
  if (self.sequence()->kind != SequenceKind::list) eval.run.fail("'", type_name(self), " object' has no attribute 'copy'");
  return make_sequence(eval.run, self.sequence()->items);
}

Value loop_cycle(Evaluator& eval, const Value& self, Args args) {
  if (args.positional.empty()) eval.run.fail("no items for cycling given");
  return args.positional[static_cast<std::size_t>(self.as<LoopPtr>()->index0) % args.positional.size()];
}

Value loop_changed(Evaluator& eval, const Value& self, Args args) {
  Loop& loop = *self.as<LoopPtr>();
  bool same = loop.changed_values.has_value() && loop.changed_values->size() == args.positional.size();
  for (std::size_t i = 0; same && i < args.positional.size(); ++i) same = equal(eval.run, (*loop.changed_values)[i], args.positional[i]);
  if (!same && loop.scope) loop.changed_values = args.positional;
  return Value(!same);
}

constexpr std::array of_dicts{Builtin{"get", dict_get}, Builtin{"items", dict_view<SequenceKind::items>},
                              Builtin{"keys", dict_view<SequenceKind::keys>}, Builtin{"values", dict_view<SequenceKind::values>},
                              Builtin{"copy", dict_copy}};
constexpr std::array of_lists{Builtin{"index", list_index}, Builtin{"count", list_count}, Builtin{"copy", list_copy}};
constexpr std::array of_loops{Builtin{"cycle", loop_cycle}, Builtin{"changed", loop_changed}};

}  // namespace

std::span<const Builtin> dict_methods() { return of_dicts; }
std::span<const Builtin> list_methods() { return of_lists; }
std::span<const Builtin> loop_methods() { return of_loops; }

}  // namespace vernier::text::jinja
