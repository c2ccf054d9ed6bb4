// Template source to tokens, with jinja2's white-space rules (trim_blocks and lstrip_blocks on, as transformers sets them).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vernier::text::jinja {

enum class TokenKind { data, block_begin, block_end, variable_begin, variable_end, name, string, integer, real, op, end };

struct Token {
  TokenKind kind;
  std::string text;  // data, name or operator as written; a string without quotes and escapes; a number without underscores
  int line;

  bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
  bool is_op(std::string_view op) const { return kind == TokenKind::op && text == op; }
  /// For messages.
  std::string describe() const;
};

/// The tokens of a whole template, closed by one of kind `end`. Throws TemplateError with the line.
std::vector<Token> tokenize(std::string_view source);

}  // namespace vernier::text::jinja
