// What follows a primary expression: subscripts, calls, filters and tests.
#include "common/text/jinja_builtins.hpp"
#include "common/text/jinja_parser.hpp"

namespace vernier::text::jinja {

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
