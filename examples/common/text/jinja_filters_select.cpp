// Filters that apply another filter or test to each element: map, select and their relatives.
#include <array>

#include "common/text/jinja_eval.hpp"

namespace vernier::text::jinja {
namespace {

using Args = const Arguments&;

/// The arguments behind the first `count` positional ones.
Arguments behind(Args args, std::size_t count) {
  Arguments rest{{}, args.named};
  for (std::size_t i = count; i < args.positional.size(); ++i) rest.positional.push_back(args.positional[i]);
  return rest;
}

/// A generator of what `visit(item, out)` puts out. An error waits until its element is asked for, as in Python: `| first` often is all.
template <class Visit>
Value generate(Run& run, const Value& source, const Visit& visit) {
  std::vector<Value> items;
  std::exception_ptr error;
  try {
    const Depth depth(run);
    for (const Value& item : elements(run, source)) visit(item, items);
  } catch (const TemplateError&) {
    error = std::current_exception();
  }
  Value generator = make_sequence(run, std::move(items), SequenceKind::generator);
  generator.sequence()->error = error;
  return generator;
}

Value map_attribute(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "map", args, {"attribute", "default"});
  return generate(eval.run, self, [&](const Value& item, std::vector<Value>& out) {
    Value value = look_up(eval, item, *bound.at(0), bound.is_none(1) ? nullptr : bound.at(1));
    out.push_back(std::move(value));
  });
}

Value filter_map(Evaluator& eval, const Value& self, Args args) {
  if (!truthy(self)) return make_sequence(eval.run, {}, SequenceKind::generator);
  bool by_attribute = false;
  for (const auto& [name, value] : args.named) by_attribute |= name == "attribute";
  if (args.positional.empty() && by_attribute) return map_attribute(eval, self, args);
  if (args.positional.empty() || !args.positional[0].text()) eval.run.fail("map needs the name of a filter, or attribute=");
  const std::string& name = args.positional[0].text()->bytes;
  const Builtin* filter = find_filter(name);
  if (filter == nullptr) eval.run.fail("map: unknown or unsupported filter '", name, "'");
  const Arguments rest = behind(args, 1);
  return generate(eval.run, self, [&](const Value& item, std::vector<Value>& out) { out.push_back(filter->call(eval, item, rest)); });
}

template <bool Keep, bool Attribute>
Value filter_select(Evaluator& eval, const Value& self, Args args) {
  if (!truthy(self)) return make_sequence(eval.run, {}, SequenceKind::generator);
  constexpr std::size_t skip = Attribute ? 1 : 0;
  if (args.positional.size() < skip) eval.run.fail("selectattr and rejectattr need the name of an attribute");
  const Builtin* test = nullptr;
  if (args.positional.size() > skip) {
    const Text* name = args.positional[skip].text();
    test = name ? find_test(name->bytes) : nullptr;
    if (test == nullptr) eval.run.fail("unknown or unsupported test '", to_text(eval.run, args.positional[skip]).bytes, "'");
  }
  const Arguments rest = behind(args, skip + 1);
  return generate(eval.run, self, [&](const Value& item, std::vector<Value>& out) {
    const Value subject = Attribute ? look_up(eval, item, args.positional[0]) : item;
    if (truthy(test ? test->call(eval, subject, rest) : subject) == Keep) out.push_back(item);
  });
}

constexpr std::array filters{
    Builtin{"map", filter_map},
    Builtin{"select", filter_select<true, false>},
    Builtin{"reject", filter_select<false, false>},
    Builtin{"selectattr", filter_select<true, true>},
    Builtin{"rejectattr", filter_select<false, true>},
};

}  // namespace

std::span<const Builtin> select_filters() { return filters; }

}  // namespace vernier::text::jinja
