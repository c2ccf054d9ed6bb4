// Statements of the template language.
#include "common/text/jinja_parser.hpp"

#include <algorithm>
#include <array>

#include "common/text/jinja_parser_nesting.hpp"

namespace vernier::text::jinja {
namespace {

constexpr std::array<std::string_view, 6> refused_tags{"block", "extends", "include", "import", "from", "autoescape"};

/// Sets a variable for one scope.
template <class T>
class Restore {
 public:
  Restore(T& variable, T value) : variable_(variable), before_(variable) { variable_ = value; }
  ~Restore() { variable_ = before_; }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  T& variable_;
  T before_;
};

}  // namespace

bool Parser::skip_name(std::string_view name) {
  if (!peek().is_name(name)) return false;
  next();
  return true;
}

bool Parser::skip_op(std::string_view op) {
  if (!peek().is_op(op)) return false;
  next();
  return true;
}

void Parser::expect_op(std::string_view op) {
  if (!skip_op(op)) fail(peek().line, "expected '", op, "', got ", peek().describe());
}

void Parser::expect_kind(TokenKind kind, std::string_view what) {
  if (peek().kind != kind) fail(peek().line, "expected '", what, "', got ", peek().describe());
  next();
}

std::string Parser::expect_identifier() {
  if (peek().kind != TokenKind::name) fail(peek().line, "expected a name, got ", peek().describe());
  return next().text;
}

Template Parser::parse() { return {parse_body({})}; }

Body Parser::parse_body(std::initializer_list<std::string_view> end_names) {
  const Nested nested(*this);
  Body body;
  for (;;) {
    const Token token = next();
    switch (token.kind) {
      case TokenKind::end:
        if (end_names.size() != 0) fail(token.line, "unexpected end of the template, expected '", *end_names.begin(), "'");
        return body;
      case TokenKind::data: body.push_back({.kind = StmtKind::text, .line = token.line, .text = make_string(token.text, true)}); break;
      case TokenKind::variable_begin:
        body.push_back({.kind = StmtKind::output, .line = token.line});
        body.back().exprs.push_back(parse_tuple(true));
        expect_kind(TokenKind::variable_end, "}}");
        break;
      default:  // block_begin: the lexer yields nothing else here
        if (peek().kind == TokenKind::name && std::find(end_names.begin(), end_names.end(), peek().text) != end_names.end()) return body;
        body.push_back(parse_statement());
        expect_kind(TokenKind::block_end, "%}");
    }
  }
}

std::string Parser::parse_block(Body& body, std::initializer_list<std::string_view> end_names) {
  skip_op(":");
  expect_kind(TokenKind::block_end, "%}");
  body = parse_body(end_names);
  return next().text;
}

Stmt Parser::parse_statement() {
  const Token token = next();
  if (token.kind != TokenKind::name) fail(token.line, "expected the name of a tag, got ", token.describe());
  const std::string& tag = token.text;
  const int line = token.line;
  if (tag == "if") return parse_if(line);
  if (tag == "for") return parse_for(line);
  if (tag == "set") return parse_set(line);
  if (tag == "with") return parse_with(line);
  if (tag == "macro") return parse_macro(line);
  if (tag == "call") return parse_call_block(line);
  if (tag == "filter") return parse_filter_block(line);
  if (tag == "break" || tag == "continue") {
    if (!in_loop_) fail(line, "'", tag, "' outside of a loop");
    return {.kind = tag == "break" ? StmtKind::break_ : StmtKind::continue_, .line = line};
  }
  if (tag == "print") {
    Stmt print{.kind = StmtKind::output, .line = line};
    while (peek().kind != TokenKind::block_end) {
      if (!print.exprs.empty()) expect_op(",");
      print.exprs.push_back(parse_expression());
    }
    return print;
  }
  if (tag == "generation") {  // marks the assistant's turns for training; renders what is inside
    const Restore soft(soft_, false);
    const Restore loop(in_loop_, false);
    Stmt scope{.kind = StmtKind::scope, .line = line};
    parse_block(scope.bodies.emplace_back(), {"endgeneration"});
    return scope;
  }
  if (std::find(refused_tags.begin(), refused_tags.end(), tag) != refused_tags.end())
    fail(line, "the tag '", tag, "' is not supported in chat templates");
  fail(line, "unknown tag '", tag, "'");
}

Stmt Parser::parse_if(int line) {
  const Restore soft(soft_, true);
  Stmt branch{.kind = StmtKind::if_, .line = line};
  for (std::string end = "elif"; end != "endif";) {
    if (end == "elif") branch.exprs.push_back(parse_tuple(false));
    end = end == "elif" ? parse_block(branch.bodies.emplace_back(), {"elif", "else", "endif"})
                        : parse_block(branch.bodies.emplace_back(), {"endif"});
  }
  return branch;
}

Stmt Parser::parse_for(int line) {
  const Restore soft(soft_, false);
  Stmt loop{.kind = StmtKind::for_, .line = line};
  loop.targets.push_back(parse_target(false));
  if (!skip_name("in")) fail(peek().line, "expected 'in', got ", peek().describe());
  loop.exprs.push_back(parse_tuple(false, "recursive"));
  if (skip_name("if")) loop.test = parse_expression();
  loop.recursive = skip_name("recursive");
  const Restore inside(in_loop_, true);
  std::string end = parse_block(loop.bodies.emplace_back(), {"endfor", "else"});
  loop.bodies.emplace_back();
  if (end == "else") parse_block(loop.bodies.back(), {"endfor"});
  return loop;
}

Stmt Parser::parse_set(int line) {
  Stmt set{.kind = StmtKind::set, .line = line};
  set.targets.push_back(parse_target(true));
  if (skip_op("=")) {
    set.exprs.push_back(parse_tuple(true));
    return set;
  }
  set.kind = StmtKind::set_block;
  const Restore soft(soft_, false);
  set.exprs.push_back(peek().is_op("|") ? parse_filter(nullptr) : nullptr);
  parse_block(set.bodies.emplace_back(), {"endset"});
  return set;
}

Stmt Parser::parse_with(int line) {
  const Restore soft(soft_, false);
  Stmt with{.kind = StmtKind::with, .line = line};
  while (peek().kind != TokenKind::block_end && !peek().is_op(":")) {
    if (!with.targets.empty()) expect_op(",");
    with.targets.push_back(parse_target_item(false));
    expect_op("=");
    with.exprs.push_back(parse_expression());
  }
  parse_block(with.bodies.emplace_back(), {"endwith"});
  return with;
}

Stmt Parser::parse_macro(int line) {
  auto macro = std::make_shared<MacroDef>();
  macro->name = expect_identifier();
  parse_signature(*macro);
  parse_macro_body(*macro, "endmacro");
  return {.kind = StmtKind::macro, .line = line, .macro = std::move(macro)};
}

Stmt Parser::parse_call_block(int line) {
  auto macro = std::make_shared<MacroDef>();
  macro->name = "caller";
  if (peek().is_op("(")) parse_signature(*macro);
  Stmt call{.kind = StmtKind::call_block, .line = line};
  call.exprs.push_back(parse_expression());
  if (call.exprs[0]->kind != ExprKind::call) fail(line, "a call block needs a call");
  parse_macro_body(*macro, "endcall");
  call.macro = std::move(macro);
  return call;
}

Stmt Parser::parse_filter_block(int line) {
  const Restore soft(soft_, false);
  Stmt block{.kind = StmtKind::filter_block, .line = line};
  --at_;  // the first filter follows the tag's name without '|'; parse_filter skips one token before each name
  block.exprs.push_back(parse_filter(nullptr));
  parse_block(block.bodies.emplace_back(), {"endfilter"});
  return block;
}

void Parser::parse_signature(MacroDef& macro) {
  expect_op("(");
  while (!peek().is_op(")")) {
    if (!macro.parameters.empty()) expect_op(",");
    if (peek().is_op(")")) break;
    const int line = peek().line;
    macro.parameters.push_back(expect_identifier());
    if (skip_op("="))
      macro.defaults.push_back(parse_expression());
    else if (!macro.defaults.empty())
      fail(line, "a parameter without default follows one with default");
  }
  expect_op(")");
}

void Parser::parse_macro_body(MacroDef& macro, std::string_view end_name) {
  const Restore soft(soft_, false);
  const Restore loop(in_loop_, false);
  macros_.emplace_back();
  parse_block(macro.body, {end_name});
  macro.uses_caller = macros_.back().caller;
  macro.uses_kwargs = macros_.back().kwargs;
  macro.uses_varargs = macros_.back().varargs;
  macros_.pop_back();
}

/// A name, ns.name or a tuple of those, perhaps in parentheses.
ExprPtr Parser::parse_target(bool with_namespace) {
  const Nested nested(*this);
  Expr tuple{.kind = ExprKind::tuple, .line = peek().line};
  bool is_tuple = false;
  do {
    if (is_tuple && (peek().is_name("in") || peek().is_op("=") || peek().is_op(")") || peek().kind == TokenKind::block_end)) break;
    tuple.items.push_back(parse_target_item(with_namespace));
    is_tuple = is_tuple || peek().is_op(",");
  } while (skip_op(","));
  if (!is_tuple) return std::move(tuple.items[0]);
  return finish(std::move(tuple));
}

ExprPtr Parser::parse_target_item(bool with_namespace) {
  if (skip_op("(")) {
    ExprPtr inner = parse_target(with_namespace);
    expect_op(")");
    return inner;
  }
  const int line = peek().line;
  Expr target{.kind = ExprKind::name, .line = line, .name = expect_identifier()};
  for (std::string_view constant : {"true", "false", "none", "True", "False", "None"})
    if (target.name == constant) fail(line, "cannot assign to '", constant, "'");
  if (with_namespace && skip_op(".")) {
    target.kind = ExprKind::namespace_attribute;
    target.attribute = expect_identifier();
  } else if (target.name == "loop" && !with_namespace) {
    fail(line, "cannot assign to the special variable 'loop'");
  }
  return finish(std::move(target));
}

Template parse(std::string_view source) { return Parser(source).parse(); }

}  // namespace vernier::text::jinja
