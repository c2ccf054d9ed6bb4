// Tokens to tree: the grammar of jinja2, without template inheritance, imports and autoescape.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/text/jinja_ast.hpp"
#include "common/text/jinja_lexer.hpp"

namespace vernier::text::jinja {

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(tokenize(source)) {}
  Template parse();

 private:
  /// Names that a macro body read, for the arguments that it takes implicitly; and whether an unknown filter may wait for its turn.
  struct MacroUses {
    bool caller = false, kwargs = false, varargs = false;
  };

  template <class... Parts>
  [[noreturn]] void fail(int line, const Parts&... parts) const {
    throw TemplateError(concat("chat template, line ", line, ": ", parts...), line);
  }
  const Token& peek(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  Token next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool skip_name(std::string_view name);
  bool skip_op(std::string_view op);
  void expect_op(std::string_view op);
  void expect_kind(TokenKind kind, std::string_view what);
  std::string expect_identifier();

  // Statements, jinja_parser.cpp.
  Body parse_body(std::initializer_list<std::string_view> end_names);
  /// Skips the tag end, parses up to one of the names, and takes that name; the tag that it opens stays.
  std::string parse_block(Body& body, std::initializer_list<std::string_view> end_names);
  Stmt parse_statement();
  Stmt parse_if(int line);
  Stmt parse_for(int line);
  Stmt parse_set(int line);
  Stmt parse_with(int line);
  Stmt parse_macro(int line);
  Stmt parse_call_block(int line);
  Stmt parse_filter_block(int line);
  void parse_signature(MacroDef& macro);
  void parse_macro_body(MacroDef& macro, std::string_view end_name);
  ExprPtr parse_target(bool with_namespace);
  ExprPtr parse_target_item(bool with_namespace);

  // Expressions, jinja_parser_expression.cpp, loosest first.
  ExprPtr parse_tuple(bool with_condition, std::string_view end_name = {}, bool parenthesised = false);
  ExprPtr parse_expression(bool with_condition = true);
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_compare();
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary(bool with_filter);
  ExprPtr parse_primary();
  ExprPtr parse_name();
  ExprPtr parse_integer();
  ExprPtr parse_list();
  ExprPtr parse_dict();
  ExprPtr parse_postfix(ExprPtr node);  // from here on in jinja_parser_postfix.cpp
  ExprPtr parse_filters_and_tests(ExprPtr node);
  ExprPtr parse_subscript(ExprPtr node);
  ExprPtr parse_subscript_item();
  ExprPtr parse_call(ExprPtr callee);
  ExprPtr parse_filter(ExprPtr subject);
  ExprPtr parse_test(ExprPtr subject);
  CallArgs parse_arguments();

  /// Closes a node: its depth is one more than that of its deepest part.
  ExprPtr finish(Expr node) const;
  ExprPtr chain(ExprKind kind, ExprPtr first, std::string_view word, ExprPtr (Parser::*operand)());

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;    // of brackets and blocks being parsed
  bool soft_ = false;  // inside an if, jinja2 lets unknown filters and tests pass until they are used
  bool in_loop_ = false;
  std::vector<MacroUses> macros_;

  friend class Nested;
};

}  // namespace vernier::text::jinja
