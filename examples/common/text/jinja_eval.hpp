// Runs a parsed template: statements write text, expressions yield values.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/text/jinja_ast.hpp"
#include "common/text/jinja_builtins.hpp"
#include "common/text/jinja_callable.hpp"

namespace vernier::text::jinja {

/// One rendering. The template must outlive it.
class Evaluator {
 public:
  explicit Evaluator(Run& run) : run(run), scope_(std::make_shared<Scope>()) {}
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  Run& run;

  void define(const std::string& name, Value value) { scope_->set(name, std::move(value)); }
  Text render(const Template& source);

  Value eval(const Expr& expr);
  Value call(const Value& callee, const Arguments& args);
  /// object.name and object[key]: Undefined if there is none; fails only on an Undefined object.
  Value attribute(const Value& object, std::string_view name);
  Value item(const Value& object, const Value& key);
  Value binary(const std::string& op, const Value& a, const Value& b);
  bool contains(const Value& container, const Value& element);
  Value new_namespace();

  // For the methods of `loop`.
  std::optional<Value> peek_loop(Loop& loop);
  std::int64_t loop_length(Loop& loop);

 private:
  enum class Flow { normal, break_, continue_ };

  // Statements, jinja_eval.cpp.
  Flow run_body(const Body& body);
  Flow run_stmt(const Stmt& stmt);
  Flow run_if(const Stmt& stmt);
  Flow run_for(const Stmt& stmt, const Value& iterable, const ScopePtr& outer, int depth0);
  void run_set_block(const Stmt& stmt);
  void run_with(const Stmt& stmt);
  void run_call_block(const Stmt& stmt);
  void assign(const Expr& target, const Value& value);
  std::optional<Value> next_of(Loop& loop);
  Value make_macro(const Stmt& stmt);
  Value call_macro(const Callable& macro, const Arguments& args);
  Value call_loop(Loop& loop, const Arguments& args);
  /// What the body writes, in a new scope inside `outer`.
  Text capture(const Body& body, const ScopePtr& outer);

  // Expressions, jinja_eval_expression.cpp.
  Value eval_name(const Expr& expr);
  Value eval_dict(const Expr& expr);
  Value eval_item(const Expr& expr);
  Value eval_slice(const Value& object, const Expr& slice);
  Value eval_filter(const Expr& expr, const Value& subject);
  Value eval_test(const Expr& expr);
  Value eval_concat(const Expr& expr);
  Value eval_compare(const Expr& expr);
  Value eval_conditional(const Expr& expr);
  Value eval_unary(const Expr& expr);
  Value apply_filters(const Expr& filters, const Value& subject);
  Arguments eval_arguments(const CallArgs& args);
  Value loop_attribute(const Value& object, std::string_view name);
  Value missing_attribute(const Value& object, std::string_view name);

  ScopePtr scope_;
  Text* out_ = nullptr;
  // What can form cycles, to be cut at the end.
  std::vector<NamespacePtr> namespaces_;
  std::vector<ScopePtr> captured_;
};

}  // namespace vernier::text::jinja
