// Statements at work.
#include "common/text/jinja_eval.hpp"

#include <algorithm>

namespace vernier::text::jinja {
namespace {

/// Enters a scope, and leaves it again.
class Enter {
 public:
  Enter(ScopePtr& current, ScopePtr inner) : current_(current), before_(std::move(current)) { current_ = std::move(inner); }
  ~Enter() { current_ = std::move(before_); }
  Enter(const Enter&) = delete;
  Enter& operator=(const Enter&) = delete;

 private:
  ScopePtr& current_;
  ScopePtr before_;
};

/// Writes go to another text for a while.
class Redirect {
 public:
  Redirect(Text*& out, Text* to) : out_(out), before_(out) { out_ = to; }
  ~Redirect() { out_ = before_; }
  Redirect(const Redirect&) = delete;
  Redirect& operator=(const Redirect&) = delete;

 private:
  Text*& out_;
  Text* before_;
};

ScopePtr inside(const ScopePtr& outer) { return std::make_shared<Scope>(Scope{.parent = outer}); }

}  // namespace

Evaluator::~Evaluator() {
  for (const NamespacePtr& object : namespaces_) object->entries.clear();
  for (const ScopePtr& scope : captured_) scope->variables.clear();
}

Text Evaluator::render(const Template& source) {
  Text out;
  const Redirect redirect(out_, &out);
  run_body(source.body);
  return out;
}

Evaluator::Flow Evaluator::run_body(const Body& body) {
  const Depth depth(run);
  for (const Stmt& stmt : body)
    if (const Flow flow = run_stmt(stmt); flow != Flow::normal) return flow;
  return Flow::normal;
}

Evaluator::Flow Evaluator::run_stmt(const Stmt& stmt) {
  run.line = stmt.line;
  run.step();
  switch (stmt.kind) {
    case StmtKind::text: append_str(run, *out_, stmt.text); break;
    case StmtKind::output:
      for (const ExprPtr& expr : stmt.exprs) append_str(run, *out_, eval(*expr));
      break;
    case StmtKind::if_: return run_if(stmt);
    case StmtKind::for_: return run_for(stmt, eval(*stmt.exprs[0]), scope_, 0);
    case StmtKind::set: assign(*stmt.targets[0], eval(*stmt.exprs[0])); break;
    case StmtKind::set_block: run_set_block(stmt); break;
    case StmtKind::with: run_with(stmt); break;
    case StmtKind::macro: scope_->set(stmt.macro->name, make_macro(stmt)); break;
    case StmtKind::call_block: run_call_block(stmt); break;
    case StmtKind::filter_block: append_str(run, *out_, apply_filters(*stmt.exprs[0], Value(capture(stmt.bodies[0], scope_)))); break;
    case StmtKind::scope: append_str(run, *out_, Value(capture(stmt.bodies[0], scope_))); break;
    case StmtKind::break_: return Flow::break_;
    case StmtKind::continue_: return Flow::continue_;
  }
  return Flow::normal;
}

Evaluator::Flow Evaluator::run_if(const Stmt& stmt) {
  for (std::size_t i = 0; i < stmt.exprs.size(); ++i)
    if (truthy(eval(*stmt.exprs[i]))) return run_body(stmt.bodies[i]);
  return stmt.bodies.size() > stmt.exprs.size() ? run_body(stmt.bodies.back()) : Flow::normal;
}

Evaluator::Flow Evaluator::run_for(const Stmt& stmt, const Value& iterable, const ScopePtr& outer, int depth0) {
  auto loop = std::make_shared<Loop>(Loop{.stmt = &stmt, .scope = outer, .items = elements(run, iterable), .depth0 = depth0});
  const Value variable(loop);
  // A loop that a template has kept must hold nothing once it has ended, or kept loops could form a chain of any length.
  const std::unique_ptr<Loop, void (*)(Loop*)> release(loop.get(), [](Loop* ended) {
    ended->scope.reset();
    ended->items.clear();
    ended->current = ended->before = ended->ahead = std::nullopt;
    ended->changed_values.reset();
  });
  ScopePtr body_scope;
  while (std::optional<Value> item = next_of(*loop)) {
    run.step();
    if (!body_scope || body_scope.use_count() > 1)
      body_scope = inside(outer);  // a macro kept the last one
    else
      body_scope->variables.clear();
    loop->before = std::move(loop->current);
    loop->current = *item;
    ++loop->index0;
    const Enter enter(scope_, body_scope);
    scope_->set("loop", variable);
    assign(*stmt.targets[0], *item);
    if (run_body(stmt.bodies[0]) == Flow::break_) return Flow::normal;
  }
  if (loop->index0 < 0) {
    const Enter enter(scope_, inside(outer));
    return run_body(stmt.bodies[1]);
  }
  return Flow::normal;
}

/// The next element that passes the loop's filter.
std::optional<Value> Evaluator::next_of(Loop& loop) {
  if (loop.ahead) {
    std::optional<Value> item = std::move(loop.ahead);
    loop.ahead.reset();
    return item;
  }
  while (loop.next < loop.items.size()) {
    run.step();
    const Value item = loop.items[loop.next++];
    if (!loop.stmt->test || loop.filtered) return item;
    const Enter enter(scope_, inside(loop.scope));
    assign(*loop.stmt->targets[0], item);
    if (truthy(eval(*loop.stmt->test))) return item;
  }
  return std::nullopt;
}

std::optional<Value> Evaluator::peek_loop(Loop& loop) {
  if (!loop.ahead) loop.ahead = next_of(loop);
  return loop.ahead;
}

std::int64_t Evaluator::loop_length(Loop& loop) {
  if (loop.stmt->test && !loop.filtered) {
    std::vector<Value> rest;
    while (std::optional<Value> item = next_of(loop)) rest.push_back(std::move(*item));
    loop.items = std::move(rest);
    loop.next = 0;
    loop.filtered = true;
  }
  return loop.index0 + 1 + static_cast<std::int64_t>(loop.items.size() - loop.next) + (loop.ahead ? 1 : 0);
}

void Evaluator::assign(const Expr& target, const Value& value) {
  if (target.kind == ExprKind::name) return scope_->set(target.name, value);
  if (target.kind == ExprKind::namespace_attribute) {
    const Value* object = scope_->find(target.name);
    const auto* space = object ? object->get<NamespacePtr>() : nullptr;
    if (space == nullptr) run.fail("cannot assign attribute '", target.attribute, "' on '", target.name, "', which is no namespace");
    if (target.attribute.starts_with('_'))
      run.fail("a namespace cannot hold '", target.attribute, "': names that start with '_' are refused");
    if (Value* old = (*space)->find(target.attribute))
      *old = value;
    else
      (*space)->entries.emplace_back(target.attribute, value);
    return;
  }
  const std::vector<Value> items = elements(run, value);
  if (items.size() != target.items.size()) run.fail("cannot unpack ", items.size(), " values into ", target.items.size(), " names");
  for (std::size_t i = 0; i < items.size(); ++i) assign(*target.items[i], items[i]);
}

Text Evaluator::capture(const Body& body, const ScopePtr& outer) {
  Text text;
  const Redirect redirect(out_, &text);
  const Enter enter(scope_, inside(outer));
  run_body(body);
  return text;
}

void Evaluator::run_set_block(const Stmt& stmt) {
  Value value(capture(stmt.bodies[0], scope_));
  if (stmt.exprs[0]) value = apply_filters(*stmt.exprs[0], value);
  assign(*stmt.targets[0], value);
}

void Evaluator::run_with(const Stmt& stmt) {
  std::vector<Value> values;
  for (const ExprPtr& expr : stmt.exprs) values.push_back(eval(*expr));
  const Enter enter(scope_, inside(scope_));
  for (std::size_t i = 0; i < values.size(); ++i) assign(*stmt.targets[i], values[i]);
  run_body(stmt.bodies[0]);
}

Value Evaluator::make_macro(const Stmt& stmt) {
  run.charge(sizeof(Callable) + sizeof(Scope));
  if (captured_.empty() || captured_.back() != scope_) captured_.push_back(scope_);
  return Value(std::make_shared<const Callable>(Callable{.name = stmt.macro->name, .macro = stmt.macro.get(), .scope = scope_}));
}

void Evaluator::run_call_block(const Stmt& stmt) {
  const Expr& call_expr = *stmt.exprs[0];
  const Value callee = eval(*call_expr.items[0]);
  Arguments args = eval_arguments(*call_expr.args);
  args.named.emplace_back("caller", make_macro(stmt));
  append_str(run, *out_, call(callee, args));
}

Value Evaluator::call_macro(const Callable& callable, const Arguments& args) {
  const MacroDef& macro = *callable.macro;
  const std::size_t count = macro.parameters.size(), first_default = count - macro.defaults.size();
  std::vector<std::pair<std::string, Value>> named = args.named;
  const auto take = [&](std::string_view name) -> std::optional<Value> {
    for (auto at = named.begin(); at != named.end(); ++at)
      if (at->first == name) {
        Value value = std::move(at->second);
        named.erase(at);
        return value;
      }
    return std::nullopt;
  };
  const Enter enter(scope_, inside(callable.scope));
  for (std::size_t i = 0; i < count; ++i) {
    const std::string& name = macro.parameters[i];
    if (i < args.positional.size())
      scope_->set(name, args.positional[i]);
    else if (std::optional<Value> value = take(name))
      scope_->set(name, std::move(*value));
    else if (i >= first_default)
      scope_->set(name, eval(*macro.defaults[i - first_default]));
    else
      scope_->set(name, make_undefined("parameter " + quoted(name) + " was not provided"));
  }
  if (macro.uses_caller && scope_->variables.end() == std::find_if(scope_->variables.begin(), scope_->variables.end(),
                                                                   [](const auto& variable) { return variable.first == "caller"; })) {
    std::optional<Value> caller = take("caller");
    scope_->set("caller", caller ? std::move(*caller) : make_undefined("No caller defined"));
  }
  if (macro.uses_kwargs) {
    auto dict = std::make_shared<Dict>();
    for (auto& [name, value] : named) dict->set(run, make_string(name), std::move(value));
    scope_->set("kwargs", Value(std::move(dict)));
  } else if (!named.empty()) {
    run.fail("macro ", quoted(callable.name), " takes no keyword argument ", quoted(named[0].first));
  }
  if (macro.uses_varargs) {
    std::vector<Value> rest;
    for (std::size_t i = count; i < args.positional.size(); ++i) rest.push_back(args.positional[i]);
    scope_->set("varargs", make_sequence(run, std::move(rest), SequenceKind::tuple));
  } else if (args.positional.size() > count) {
    run.fail("macro ", quoted(callable.name), " takes not more than ", count, " argument(s)");
  }
  Text text;
  const Redirect redirect(out_, &text);
  run_body(macro.body);
  return Value(std::move(text));
}

Value Evaluator::call_loop(Loop& loop, const Arguments& args) {
  if (!loop.scope) run.fail("the loop has ended");
  if (!loop.stmt->recursive) run.fail("the loop must have the 'recursive' marker to be called recursively");
  if (args.positional.size() != 1) run.fail("loop(...) takes one iterable");
  Text text;
  const Redirect redirect(out_, &text);
  run_for(*loop.stmt, args.positional[0], loop.scope, loop.depth0 + 1);
  return Value(std::move(text));
}

Value Evaluator::new_namespace() {
  namespaces_.push_back(std::make_shared<Namespace>());
  run.charge(sizeof(Namespace));
  return Value(namespaces_.back());
}

}  // namespace vernier::text::jinja
