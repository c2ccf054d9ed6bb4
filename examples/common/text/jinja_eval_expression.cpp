// Expressions at work.
#include <algorithm>

#include "common/text/jinja_eval.hpp"
#include "common/text/jinja_unicode.hpp"

namespace vernier::text::jinja {

Value Evaluator::eval(const Expr& expr) {
  const Depth depth(run);
  run.line = expr.line;
  run.step();
  switch (expr.kind) {
    case ExprKind::constant: return expr.value;
    case ExprKind::name: return eval_name(expr);
    case ExprKind::list:
    case ExprKind::tuple: {
      std::vector<Value> items;
      for (const ExprPtr& item : expr.items) items.push_back(eval(*item));
      return make_sequence(run, std::move(items), expr.kind == ExprKind::list ? SequenceKind::list : SequenceKind::tuple);
    }
    case ExprKind::dict: return eval_dict(expr);
    case ExprKind::attribute: return attribute(eval(*expr.items[0]), expr.name);
    case ExprKind::item: return eval_item(expr);
    case ExprKind::call: {
      const Value callee = eval(*expr.items[0]);
      const Arguments args = eval_arguments(*expr.args);
      run.line = expr.line;
      return call(callee, args);
    }
    case ExprKind::filter: return eval_filter(expr, eval(*expr.items[0]));
    case ExprKind::test: return eval_test(expr);
    case ExprKind::logical_not: return Value(!truthy(eval(*expr.items[0])));
    case ExprKind::logical_and:
    case ExprKind::logical_or: {
      Value value;
      for (const ExprPtr& item : expr.items) {
        value = eval(*item);
        if (truthy(value) == (expr.kind == ExprKind::logical_or)) break;
      }
      return value;
    }
    case ExprKind::unary: return eval_unary(expr);
    case ExprKind::binary: {
      Value value = eval(*expr.items[0]);
      for (std::size_t i = 0; i < expr.ops.size(); ++i) value = binary(expr.ops[i], value, eval(*expr.items[i + 1]));
      return value;
    }
    case ExprKind::concat: return eval_concat(expr);
    case ExprKind::compare: return eval_compare(expr);
    case ExprKind::conditional: return eval_conditional(expr);
    case ExprKind::slice:
    case ExprKind::namespace_attribute: break;  // the parser puts them nowhere else
  }
  run.fail("misplaced expression");
}

Value Evaluator::eval_name(const Expr& expr) {
  if (const Value* value = scope_->find(expr.name)) return *value;
  if (const Builtin* global = find_global(expr.name))
    return Value(std::make_shared<const Callable>(Callable{.name = expr.name, .builtin = global}));
  for (std::string_view refused : {"lipsum", "cycler", "joiner", "self"})
    if (expr.name == refused) run.fail("the global '", refused, "' is not supported in chat templates");
  return make_undefined(quoted(expr.name) + " is undefined");
}

Value Evaluator::eval_dict(const Expr& expr) {
  auto dict = std::make_shared<Dict>();
  for (std::size_t i = 0; i < expr.items.size(); i += 2) {
    const Value key = eval(*expr.items[i]);
    dict->set(run, key, eval(*expr.items[i + 1]));
  }
  return Value(std::move(dict));
}

Value Evaluator::eval_item(const Expr& expr) {
  const Value object = eval(*expr.items[0]);
  if (object.undefined()) run.fail(*object.as<Undefined>().message);
  return expr.items[1]->kind == ExprKind::slice ? eval_slice(object, *expr.items[1]) : item(object, eval(*expr.items[1]));
}

Value Evaluator::item(const Value& object, const Value& key) {
  if (object.undefined()) run.fail(*object.as<Undefined>().message);
  if (const Dict* dict = object.dict()) {
    const bool hashable = !key.dict() && !(key.sequence() && key.sequence()->kind != SequenceKind::tuple);
    if (const Value* value = hashable ? dict->find(run, key) : nullptr) return *value;
  } else if (key.is<std::int64_t>() || key.is<bool>()) {
    const std::int64_t index = to_integer(run, key, "index");
    const Sequence* sequence = object.sequence();
    if (sequence && sequence->kind <= SequenceKind::range) {
      const auto size = static_cast<std::int64_t>(sequence->items.size());
      const std::int64_t at = index < 0 ? index + size : index;
      if (at >= 0 && at < size) return sequence->items[static_cast<std::size_t>(at)];
    } else if (const Text* text = object.text()) {
      run.step(text->bytes.size() / 64);
      const auto size = static_cast<std::int64_t>(count_code_points(text->bytes));
      const std::int64_t at = index < 0 ? index + size : index;
      if (at >= 0 && at < size) {
        const std::size_t begin = byte_offset(text->bytes, static_cast<std::size_t>(at));
        return Value(text->slice(begin, begin + code_point(text->bytes, begin).bytes));
      }
    }
  }
  if (const Text* name = key.text()) {
    if (is_forbidden_method(object, name->bytes)) return missing_attribute(object, name->bytes);
    if (const Builtin* method = find_method(object, name->bytes)) return make_method(run, *method, object);
    if (object.is<NamespacePtr>() || object.is<LoopPtr>()) return attribute(object, name->bytes);
    return missing_attribute(object, name->bytes);
  }
  if (key.undefined()) return make_undefined(std::string(type_name(object)) + " object has no element Undefined");
  Text repr;
  append_repr(run, repr, key);
  return make_undefined(std::string(type_name(object)) + " object has no element " + repr.bytes);
}

Value Evaluator::eval_slice(const Value& object, const Expr& slice) {
  std::int64_t part[3] = {0, 0, 1};
  bool given[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    const Value value = slice.items[i] ? eval(*slice.items[i]) : Value();
    if (value.none()) continue;
    if (!value.is<std::int64_t>() && !value.is<bool>()) run.fail("slice indices must be integers or None, not ", type_name(value));
    part[i] = to_integer(run, value, "slice index");
    given[i] = true;
  }
  const Text* text = object.text();
  const Sequence* sequence = object.sequence();
  if (!text && !(sequence && sequence->kind <= SequenceKind::range)) run.fail("'", type_name(object), "' object cannot be sliced");
  const std::int64_t step = part[2];
  if (step == 0) run.fail("slice step cannot be zero");
  if (text) run.step(text->bytes.size() / 64);
  const auto size = static_cast<std::int64_t>(text ? count_code_points(text->bytes) : sequence->items.size());
  const auto clamp = [&](std::size_t i, std::int64_t fallback) {
    if (!given[i]) return fallback;
    const std::int64_t at = part[i] < 0 ? part[i] + size : part[i];
    return std::clamp<std::int64_t>(at, step > 0 ? 0 : -1, step > 0 ? size : size - 1);
  };
  const std::int64_t begin = clamp(0, step > 0 ? 0 : size - 1), end = clamp(1, step > 0 ? size : -1);
  if (text && step == 1) {
    const std::size_t first = byte_offset(text->bytes, static_cast<std::size_t>(begin));
    const std::size_t last = begin < end ? byte_offset(text->bytes, static_cast<std::size_t>(end)) : first;
    run.charge(last - first);
    return Value(text->slice(first, last));
  }
  const std::vector<Value> all = text ? elements(run, object) : sequence->items;
  std::vector<Value> picked;
  run.step(static_cast<std::size_t>(size));
  for (std::int64_t at = begin; step > 0 ? at < end : at > end;) {
    picked.push_back(all[static_cast<std::size_t>(at)]);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  if (!text) return make_sequence(run, std::move(picked), sequence->kind == SequenceKind::tuple ? SequenceKind::tuple : SequenceKind::list);
  Text out;
  for (const Value& one : picked) out.append(*one.text());
  return Value(std::move(out));
}

Value Evaluator::missing_attribute(const Value& object, std::string_view name) {
  const std::string type = object.none() ? "None" : std::string(type_name(object)) + " object";
  if (is_forbidden_method(object, name))
    return make_undefined("access to attribute " + quoted(name) + " of " + quoted(type_name(object)) + " object is unsafe.");
  return make_undefined(quoted(type) + " has no attribute " + quoted(name));
}

Value Evaluator::attribute(const Value& object, std::string_view name) {
  if (object.undefined()) run.fail(*object.as<Undefined>().message);
  if (name.starts_with("__") || is_forbidden_method(object, name)) return missing_attribute(object, name);
  if (const Builtin* method = find_method(object, name)) return make_method(run, *method, object);
  if (const Dict* dict = object.dict()) {
    if (const Value* value = dict->find(name)) return *value;
  } else if (const auto* space = object.get<NamespacePtr>()) {
    if (const Value* value = (*space)->find(name)) return *value;
  } else if (object.is<LoopPtr>()) {
    return loop_attribute(object, name);
  }
  return missing_attribute(object, name);
}

Value Evaluator::loop_attribute(const Value& object, std::string_view name) {
  Loop& loop = *object.as<LoopPtr>();
  if (name == "index0") return Value(loop.index0);
  if (name == "index") return Value(loop.index0 + 1);
  if (name == "first") return Value(loop.index0 == 0);
  if (name == "last") return Value(!peek_loop(loop).has_value());
  if (name == "length") return Value(loop_length(loop));
  if (name == "revindex") return Value(loop_length(loop) - loop.index0);
  if (name == "revindex0") return Value(loop_length(loop) - loop.index0 - 1);
  if (name == "depth") return Value(std::int64_t{loop.depth0} + 1);
  if (name == "depth0") return Value(std::int64_t{loop.depth0});
  if (name == "previtem") return loop.index0 > 0 && loop.before ? *loop.before : make_undefined("there is no previous item");
  if (name == "nextitem") {
    std::optional<Value> next = peek_loop(loop);
    return next ? *next : make_undefined("there is no next item");
  }
  return missing_attribute(object, name);
}

Arguments Evaluator::eval_arguments(const CallArgs& args) {
  Arguments out;
  for (const ExprPtr& expr : args.positional) out.positional.push_back(eval(*expr));
  for (const auto& [name, expr] : args.named) out.named.emplace_back(name, eval(*expr));
  if (args.star)
    for (Value& value : elements(run, eval(*args.star))) out.positional.push_back(std::move(value));
  if (args.double_star) {
    const Value more = eval(*args.double_star);
    if (!more.dict()) run.fail("the argument after ** must be a mapping, not ", type_name(more));
    for (const auto& [key, value] : more.dict()->entries) {
      if (!key.text()) run.fail("keywords must be strings");
      out.named.emplace_back(key.text()->bytes, value);
    }
  }
  return out;
}

Value Evaluator::call(const Value& callee, const Arguments& args) {
  const Depth depth(run);
  if (callee.undefined()) run.fail(*callee.as<Undefined>().message);
  if (callee.is<LoopPtr>()) return call_loop(*callee.as<LoopPtr>(), args);
  if (!callee.is<CallablePtr>()) run.fail("'", type_name(callee), "' object is not callable");
  const Callable& callable = *callee.as<CallablePtr>();
  return callable.is_macro() ? call_macro(callable, args) : callable.builtin->call(*this, callable.self, args);
}

Value Evaluator::eval_filter(const Expr& expr, const Value& subject) {
  const Arguments args = eval_arguments(*expr.args);
  run.line = expr.line;
  if (expr.builtin == nullptr) run.fail("unknown or unsupported filter '", expr.name, "'");
  return expr.builtin->call(*this, subject, args);
}

Value Evaluator::apply_filters(const Expr& filters, const Value& subject) {
  return eval_filter(filters, filters.items[0] ? apply_filters(*filters.items[0], subject) : subject);
}

Value Evaluator::eval_test(const Expr& expr) {
  const Value subject = eval(*expr.items[0]);
  const Arguments args = eval_arguments(*expr.args);
  run.line = expr.line;
  if (expr.builtin == nullptr) run.fail("unknown or unsupported test '", expr.name, "'");
  return expr.builtin->call(*this, subject, args);
}

Value Evaluator::eval_concat(const Expr& expr) {
  Text out;
  for (const ExprPtr& item : expr.items) append_str(run, out, eval(*item));
  return Value(std::move(out));
}

Value Evaluator::eval_conditional(const Expr& expr) {
  if (truthy(eval(*expr.items[1]))) return eval(*expr.items[0]);
  if (expr.items[2]) return eval(*expr.items[2]);
  return make_undefined("the inline if-expression on line " + std::to_string(expr.line) +
                        " evaluated to false and no else section was defined.");
}

Value Evaluator::eval_compare(const Expr& expr) {
  Value left = eval(*expr.items[0]);
  for (std::size_t i = 0; i < expr.ops.size(); ++i) {
    Value right = eval(*expr.items[i + 1]);
    run.line = expr.line;
    const std::string& op = expr.ops[i];
    bool holds;
    if (op == "==" || op == "!=")
      holds = equal(run, left, right) == (op == "==");
    else if (op == "in" || op == "not in")
      holds = contains(right, left) == (op == "in");
    else if (op == "<" || op == ">")
      holds = op == "<" ? less(run, left, right) : less(run, right, left);
    else  // for numbers, `a <= b` is not `not b < a` when one is NaN
      holds = op == "<=" ? less(run, left, right) || equal(run, left, right) : less(run, right, left) || equal(run, left, right);
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

bool Evaluator::contains(const Value& container, const Value& element) {
  if (const Dict* dict = container.dict()) return dict->find(run, element) != nullptr;
  if (const Text* text = container.text()) {
    if (!element.text()) run.fail("'in <string>' requires string as left operand, not ", type_name(element));
    run.step((text->bytes.size() + element.text()->bytes.size()) / 64);
    return find_text(text->bytes, element.text()->bytes) != std::string_view::npos;
  }
  if (!container.sequence() && !container.undefined()) run.fail("argument of type '", type_name(container), "' is not iterable");
  for (const Value& item : elements(run, container))
    if (equal(run, item, element)) return true;
  return false;
}

}  // namespace vernier::text::jinja
