// Expressions of the template language, by falling precedence from parse_expression down to parse_primary.
#include <algorithm>
#include <charconv>

#include "common/text/jinja_parser.hpp"
#include "common/text/jinja_parser_nesting.hpp"

namespace vernier::text::jinja {

ExprPtr Parser::finish(Expr node) const {
  const auto add = [&](const ExprPtr& part) {
    if (part) node.depth = std::max(node.depth, part->depth + 1);
  };
  for (const ExprPtr& item : node.items) add(item);
  if (node.args) {
    for (const ExprPtr& item : node.args->positional) add(item);
    for (const auto& [name, item] : node.args->named) add(item);
    add(node.args->star);
    add(node.args->double_star);
  }
  if (node.depth > max_nesting) fail(node.line, "an expression is nested more than ", max_nesting, " deep");
  return std::make_unique<const Expr>(std::move(node));
}

ExprPtr Parser::parse_tuple(bool with_condition, std::string_view end_name, bool parenthesised) {
  Expr tuple{.kind = ExprKind::tuple, .line = peek().line};
  bool is_tuple = false;
  for (;;) {
    const bool end = peek().kind == TokenKind::variable_end || peek().kind == TokenKind::block_end || peek().is_op(")") ||
                     (!end_name.empty() && peek().is_name(end_name));
    if (end) break;
    tuple.items.push_back(parse_expression(with_condition));
    if (!skip_op(",")) break;
    is_tuple = true;
  }
  if (is_tuple || (tuple.items.empty() && parenthesised)) return finish(std::move(tuple));
  if (tuple.items.empty()) fail(tuple.line, "expected an expression, got ", peek().describe());
  return std::move(tuple.items[0]);
}

ExprPtr Parser::parse_expression(bool with_condition) {
  const Nested nested(*this);
  const bool soft_before = soft_;
  const int line = peek().line;
  ExprPtr value = parse_or();
  while (with_condition && skip_name("if")) {
    soft_ = true;
    Expr node{.kind = ExprKind::conditional, .line = line};
    node.items.push_back(std::move(value));
    node.items.push_back(parse_or());
    node.items.push_back(skip_name("else") ? parse_expression() : nullptr);
    value = finish(std::move(node));
  }
  soft_ = soft_before;
  return value;
}

/// first (word operand)*, as one node.
ExprPtr Parser::chain(ExprKind kind, ExprPtr first, std::string_view word, ExprPtr (Parser::*operand)()) {
  const auto more = [&] { return kind == ExprKind::concat ? skip_op(word) : skip_name(word); };
  if (!more()) return first;
  Expr node{.kind = kind, .line = first->line};
  node.items.push_back(std::move(first));
  do node.items.push_back((this->*operand)());
  while (more());
  return finish(std::move(node));
}

ExprPtr Parser::parse_or() { return chain(ExprKind::logical_or, parse_and(), "or", &Parser::parse_and); }
ExprPtr Parser::parse_and() { return chain(ExprKind::logical_and, parse_not(), "and", &Parser::parse_not); }

ExprPtr Parser::parse_not() {
  if (!peek().is_name("not")) return parse_compare();
  const Nested nested(*this);
  Expr node{.kind = ExprKind::logical_not, .line = next().line};
  node.items.push_back(parse_not());
  return finish(std::move(node));
}

ExprPtr Parser::parse_compare() {
  ExprPtr first = parse_sum();
  Expr node{.kind = ExprKind::compare, .line = first->line};
  node.items.push_back(std::move(first));
  for (;;) {
    const Token& token = peek();
    const bool symbol =
        token.is_op("==") || token.is_op("!=") || token.is_op("<") || token.is_op("<=") || token.is_op(">") || token.is_op(">=");
    if (symbol)
      node.ops.push_back(next().text);
    else if (skip_name("in"))
      node.ops.push_back("in");
    else if (token.is_name("not") && peek(1).is_name("in"))
      next(), next(), node.ops.push_back("not in");
    else
      break;
    node.items.push_back(parse_sum());
  }
  return node.ops.empty() ? std::move(node.items[0]) : finish(std::move(node));
}

ExprPtr Parser::parse_sum() {
  ExprPtr first = parse_concat();
  if (!peek().is_op("+") && !peek().is_op("-")) return first;
  Expr node{.kind = ExprKind::binary, .line = first->line};
  node.items.push_back(std::move(first));
  while (peek().is_op("+") || peek().is_op("-")) {
    node.ops.push_back(next().text);
    node.items.push_back(parse_concat());
  }
  return finish(std::move(node));
}

ExprPtr Parser::parse_concat() { return chain(ExprKind::concat, parse_product(), "~", &Parser::parse_product); }

ExprPtr Parser::parse_product() {
  ExprPtr first = parse_power();
  const auto product = [&] { return peek().is_op("*") || peek().is_op("/") || peek().is_op("//") || peek().is_op("%"); };
  if (!product()) return first;
  Expr node{.kind = ExprKind::binary, .line = first->line};
  node.items.push_back(std::move(first));
  while (product()) {
    node.ops.push_back(next().text);
    node.items.push_back(parse_power());
  }
  return finish(std::move(node));
}

ExprPtr Parser::parse_power() {
  ExprPtr first = parse_unary(true);
  if (!peek().is_op("**")) return first;
  Expr node{.kind = ExprKind::binary, .line = first->line};
  node.items.push_back(std::move(first));
  while (peek().is_op("**")) {
    node.ops.push_back(next().text);
    node.items.push_back(parse_unary(true));
  }
  return finish(std::move(node));
}

ExprPtr Parser::parse_unary(bool with_filter) {
  ExprPtr node;
  if (peek().is_op("-") || peek().is_op("+")) {
    const Nested nested(*this);
    Expr unary{.kind = ExprKind::unary, .line = peek().line};
    unary.ops.push_back(next().text);
    unary.items.push_back(parse_unary(false));
    node = finish(std::move(unary));
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filter ? parse_filters_and_tests(std::move(node)) : std::move(node);
}

ExprPtr Parser::parse_primary() {
  const Token token = peek();
  Expr constant{.kind = ExprKind::constant, .line = token.line};
  switch (token.kind) {
    case TokenKind::name: return parse_name();
    case TokenKind::integer: return parse_integer();
    case TokenKind::string: {
      std::string text;
      while (peek().kind == TokenKind::string) text += next().text;
      constant.value = make_string(text, true);
      return finish(std::move(constant));
    }
    case TokenKind::real: {
      double value = 0;
      next();
      const auto end = std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
      if (end.ec != std::errc()) fail(token.line, "the number ", token.text, " is out of range");
      constant.value = Value(value);
      return finish(std::move(constant));
    }
    default: break;
  }
  if (skip_op("(")) {
    const Nested nested(*this);
    ExprPtr inner = parse_tuple(true, {}, true);
    expect_op(")");
    return inner;
  }
  if (token.is_op("[")) return parse_list();
  if (token.is_op("{")) return parse_dict();
  fail(token.line, "unexpected ", token.describe());
}

ExprPtr Parser::parse_name() {
  const Token token = next();
  const std::string& name = token.text;
  Expr node{.kind = ExprKind::constant, .line = token.line};
  if (name == "true" || name == "True" || name == "false" || name == "False") {
    node.value = Value(name == "true" || name == "True");
  } else if (name != "none" && name != "None") {
    node.kind = ExprKind::name;
    node.name = name;
    for (MacroUses& uses : macros_) {  // a nested macro's use counts for the outer ones too; an unused argument does no harm
      uses.caller |= name == "caller";
      uses.kwargs |= name == "kwargs";
      uses.varargs |= name == "varargs";
    }
  }
  return finish(std::move(node));
}

ExprPtr Parser::parse_integer() {
  const Token token = next();
  std::int64_t value = 0;
  const auto end = std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
  if (end.ec != std::errc()) fail(token.line, "the integer ", token.text.substr(0, 40), " does not fit 64 bits");
  return finish({.kind = ExprKind::constant, .line = token.line, .value = Value(value)});
}

ExprPtr Parser::parse_list() {
  Expr list{.kind = ExprKind::list, .line = next().line};
  while (!peek().is_op("]")) {
    if (!list.items.empty()) expect_op(",");
    if (peek().is_op("]")) break;
    list.items.push_back(parse_expression());
  }
  expect_op("]");
  return finish(std::move(list));
}

ExprPtr Parser::parse_dict() {
  Expr dict{.kind = ExprKind::dict, .line = next().line};
  while (!peek().is_op("}")) {
    if (!dict.items.empty()) expect_op(",");
    if (peek().is_op("}")) break;
    dict.items.push_back(parse_expression());
    expect_op(":");
    dict.items.push_back(parse_expression());
  }
  expect_op("}");
  return finish(std::move(dict));
}

}  // namespace vernier::text::jinja
