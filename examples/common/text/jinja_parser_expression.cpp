// Expressions of the template language, by falling precedence from parse_expression down to parse_primary.
#include <algorithm>
#include <charconv>

#include "common/text/jinja_builtins.hpp"
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

ExprPtr Parser::parse_postfix(ExprPtr node) {
  for (;;) {
    if (peek().is_op(".") || peek().is_op("["))
      node = parse_subscript(std::move(node));
    else if (peek().is_op("("))
      node = parse_call(std::move(node));
    else
      return node;
  }
}

ExprPtr Parser::parse_filters_and_tests(ExprPtr node) {
  for (;;) {
    if (peek().is_op("|"))
      node = parse_filter(std::move(node));
    else if (peek().is_name("is"))
      node = parse_test(std::move(node));
    else if (peek().is_op("("))
      node = parse_call(std::move(node));
    else
      return node;
  }
}

ExprPtr Parser::parse_subscript(ExprPtr object) {
  const Token token = next();
  Expr node{.kind = ExprKind::item, .line = token.line};
  node.items.push_back(std::move(object));
  if (token.text == ".") {
    if (peek().kind == TokenKind::integer) {
      node.items.push_back(parse_integer());
    } else {
      node.kind = ExprKind::attribute;
      node.name = expect_identifier();
    }
    return finish(std::move(node));
  }
  node.items.push_back(parse_subscript_item());
  if (peek().is_op(",")) fail(token.line, "a subscript of several parts is not supported");
  expect_op("]");
  return finish(std::move(node));
}

ExprPtr Parser::parse_subscript_item() {
  Expr slice{.kind = ExprKind::slice, .line = peek().line};
  const auto part = [&]() -> ExprPtr {
    if (peek().is_op(":") || peek().is_op("]") || peek().is_op(",")) return nullptr;
    return parse_expression();
  };
  ExprPtr begin = part();
  if (!peek().is_op(":")) {
    if (!begin) fail(slice.line, "expected a subscript, got ", peek().describe());
    return begin;
  }
  slice.items.push_back(std::move(begin));
  for (int i = 0; i < 2; ++i) slice.items.push_back(skip_op(":") ? part() : nullptr);
  return finish(std::move(slice));
}

CallArgs Parser::parse_arguments() {
  CallArgs args;
  const int line = peek().line;
  expect_op("(");
  for (bool first = true; !peek().is_op(")"); first = false) {
    if (!first) expect_op(",");
    if (peek().is_op(")")) break;
    if (args.double_star) fail(line, "an argument follows **");
    if (skip_op("**")) {
      args.double_star = parse_expression();
    } else if (skip_op("*")) {
      if (args.star) fail(line, "two * arguments in one call");
      args.star = parse_expression();
    } else if (peek().kind == TokenKind::name && peek(1).is_op("=")) {
      std::string name = next().text;
      next();
      args.named.emplace_back(std::move(name), parse_expression());
    } else {
      if (args.star || !args.named.empty()) fail(line, "a positional argument follows a named one");
      args.positional.push_back(parse_expression());
    }
  }
  expect_op(")");
  return args;
}

ExprPtr Parser::parse_call(ExprPtr callee) {
  Expr call{.kind = ExprKind::call, .line = peek().line};
  call.items.push_back(std::move(callee));
  call.args = std::make_unique<const CallArgs>(parse_arguments());
  return finish(std::move(call));
}

/// All of `| name(args) | name ...`; takes one token, the bar, before each name.
ExprPtr Parser::parse_filter(ExprPtr subject) {
  do {
    next();
    Expr node{.kind = ExprKind::filter, .line = peek().line, .name = expect_identifier()};
    node.builtin = find_filter(node.name);
    if (node.builtin == nullptr && !soft_) fail(node.line, "unknown or unsupported filter '", node.name, "'");
    node.items.push_back(std::move(subject));
    node.args = std::make_unique<const CallArgs>(peek().is_op("(") ? parse_arguments() : CallArgs{});
    subject = finish(std::move(node));
  } while (peek().is_op("|"));
  return subject;
}

ExprPtr Parser::parse_test(ExprPtr subject) {
  const int line = next().line;
  const bool negated = skip_name("not");
  Expr node{.kind = ExprKind::test, .line = line, .name = expect_identifier()};
  node.builtin = find_test(node.name);
  if (node.builtin == nullptr && !soft_) fail(line, "unknown or unsupported test '", node.name, "'");
  node.items.push_back(std::move(subject));
  CallArgs args;
  const Token& token = peek();
  if (token.is_op("(")) {
    args = parse_arguments();
  } else if (token.kind == TokenKind::name || token.kind == TokenKind::string || token.kind == TokenKind::integer ||
             token.kind == TokenKind::real || token.is_op("[") || token.is_op("{")) {
    if (token.is_name("is")) fail(line, "tests with 'is' cannot be chained");
    if (!token.is_name("else") && !token.is_name("or") && !token.is_name("and")) args.positional.push_back(parse_postfix(parse_primary()));
  }
  node.args = std::make_unique<const CallArgs>(std::move(args));
  if (!negated) return finish(std::move(node));
  Expr inverse{.kind = ExprKind::logical_not, .line = line};
  inverse.items.push_back(finish(std::move(node)));
  return finish(std::move(inverse));
}

}  // namespace vernier::text::jinja
