// The lexer: text and tags first, then the tokens inside a tag.
#include "common/text/jinja_lexer.hpp"

#include <algorithm>
#include <array>

#include "common/text/chat_template.hpp"
#include "common/text/jinja_unicode.hpp"

namespace vernier::text::jinja {
namespace {

constexpr std::array<std::string_view, 6> long_operators{"//", "**", "==", "!=", ">=", "<="};
constexpr std::string_view short_operators = "+-/*%~[](){}><=.:|,;";

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

/// Line ends become \n; one at the very end is dropped.
std::string normalise(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    out += source[i] == '\r' ? '\n' : source[i];
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalise(source)) {
    if (!valid_utf8(source_)) fail("the template is not valid UTF-8");
  }

  std::vector<Token> run() {
    while (at_ < source_.size()) lex_root();
    emit(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    throw TemplateError(concat("chat template, line ", line_, ": ", parts...), line_);
  }

  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool starts(std::string_view text, std::size_t offset = 0) const {
    return at_ + offset <= source_.size() && rest().substr(offset).starts_with(text);
  }
  void emit(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  void advance(std::size_t bytes) {
    line_ += static_cast<int>(
        std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_), source_.begin() + static_cast<std::ptrdiff_t>(at_ + bytes), '\n'));
    at_ += bytes;
    line_starting_ = bytes != 0 && source_[at_ - 1] == '\n';
  }

  /// The text before a tag, after what `sign` or lstrip_blocks takes off its end.
  std::string_view stripped(std::string_view text, char sign, bool variable) const {
    if (sign == '-') return text.substr(0, trim_space_end(text));
    if (sign == '+' || variable) return text;
    const std::size_t line = text.rfind('\n') + 1;  // npos + 1 is 0
    const bool blank = line < text.size() && skip_space(text, line) == text.size();
    return blank && (line > 0 || line_starting_) ? text.substr(0, line) : text;
  }

  void emit_data(std::size_t bytes, char sign, bool variable) {
    const std::string_view text = stripped(rest().substr(0, bytes), sign, variable);
    if (!text.empty()) emit(TokenKind::data, std::string(text));
    advance(bytes);
  }

  void lex_root() {
    std::size_t tag = 0;
    const std::string_view text = rest();
    for (;; ++tag) {
      tag = text.find('{', tag);
      if (tag == std::string_view::npos || tag + 1 == text.size()) return emit_data(text.size(), '+', false);
      if (text[tag + 1] == '%' || text[tag + 1] == '{' || text[tag + 1] == '#') break;
    }
    const char kind = text[tag + 1];
    const char sign = tag + 2 < text.size() && (text[tag + 2] == '-' || text[tag + 2] == '+') ? text[tag + 2] : ' ';
    emit_data(tag, sign, kind == '{');
    if (kind == '#') return lex_comment(sign == ' ' ? 2 : 3);
    if (kind == '%' && lex_raw()) return;
    emit(kind == '%' ? TokenKind::block_begin : TokenKind::variable_begin, "");
    advance(sign == ' ' ? 2 : 3);
    lex_tag(kind == '%');
  }

  /// Bytes of the tag end at `offset` ("%}", "-%}" and the white space that it takes), 0 if there is none.
  std::size_t tag_end(std::string_view close, bool trims_newline, std::size_t offset = 0) const {
    if (starts("-", offset) && starts(close, offset + 1)) return skip_space(rest(), offset + 3) - offset;
    if (trims_newline && starts("+", offset) && starts(close, offset + 1)) return 3;
    if (!starts(close, offset)) return 0;
    return trims_newline && starts("\n", offset + 2) ? 3 : 2;
  }

  void lex_comment(std::size_t open) {
    if (rest().size() == open) return advance(open);  // jinja2 does not mind either
    const std::size_t close = rest().find("#}", open);
    if (close == std::string_view::npos) fail("missing end of comment tag '#}'");
    const bool signed_end = close > open && (rest()[close - 1] == '-' || rest()[close - 1] == '+');
    const std::size_t begin = signed_end ? close - 1 : close;
    advance(begin + tag_end("#}", true, begin));
  }

  bool lex_raw() {
    const std::string_view text = rest();
    std::size_t at = 2 + (starts("-", 2) || starts("+", 2) ? 1 : 0);
    at = skip_space(text, at);
    if (!text.substr(at).starts_with("raw")) return false;
    at = skip_space(text, at + 3);
    const std::size_t open = starts("-%}", at) ? skip_space(text, at + 3) : starts("%}", at) ? at + 2 : 0;
    if (open == 0) return false;
    advance(open);
    if (rest().empty()) return true;
    for (std::size_t tag = rest().find("{%"); tag != std::string_view::npos; tag = rest().find("{%", tag + 2)) {
      const char sign = starts("-", tag + 2) ? '-' : starts("+", tag + 2) ? '+' : ' ';
      std::size_t end = skip_space(rest(), tag + (sign == ' ' ? 2 : 3));
      if (!starts("endraw", end)) continue;
      end = skip_space(rest(), end + 6);
      const std::size_t close = tag_end("%}", true, end);
      if (close == 0) continue;
      emit_data(tag, sign, false);
      advance(end - tag + close);
      return true;
    }
    fail("missing end of raw directive");
  }

  void lex_tag(bool block) {
    std::string open;  // brackets that wait for their partner
    const std::string_view close = block ? "%}" : "}}";
    for (;;) {
      advance(skip_space(rest()));
      if (at_ == source_.size()) fail("unexpected end of template inside a tag, expected '", close, "'");
      if (const std::size_t bytes = open.empty() ? tag_end(close, block) : 0; bytes != 0) {
        emit(block ? TokenKind::block_end : TokenKind::variable_end, "");
        return advance(bytes);
      }
      const char c = source_[at_];
      if (is_ascii_digit(c))
        lex_number();
      else if (c == '"' || c == '\'')
        lex_string(c);
      else if (!lex_name())
        lex_operator(open);
    }
  }

  std::size_t digits(std::size_t at, std::string_view allowed) const {  // d(_?d)*
    const auto is = [&](std::size_t i) { return i < source_.size() && allowed.find(source_[i]) != std::string_view::npos; };
    if (!is(at)) return at;
    while (is(at + 1) || (at + 1 < source_.size() && source_[at + 1] == '_' && is(at + 2))) at += is(at + 1) ? 1 : 2;
    return at + 1;
  }

  void lex_number() {
    constexpr std::string_view decimal = "0123456789";
    std::size_t end = digits(at_, decimal);
    bool real = false;
    if (at_ == 0 || source_[at_ - 1] != '.') {
      if (end < source_.size() && source_[end] == '.' && digits(end + 1, decimal) != end + 1) {
        end = digits(end + 1, decimal);
        real = true;
      }
      if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
        const std::size_t sign = end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-') ? 1 : 0;
        if (const std::size_t last = digits(end + 1 + sign, decimal); last != end + 1 + sign) {
          end = last;
          real = true;
        }
      }
    }
    if (!real) {
      const char base = at_ + 1 < source_.size() && source_[at_] == '0' ? source_[at_ + 1] : ' ';
      if (base == 'x' || base == 'X' || base == 'o' || base == 'O' || base == 'b' || base == 'B')
        fail("only decimal integers are supported");
      if (source_[at_] == '0') end = digits(at_, "0");
    }
    std::string text = source_.substr(at_, end - at_);
    std::erase(text, '_');
    emit(real ? TokenKind::real : TokenKind::integer, std::move(text));
    advance(end - at_);
  }

  void lex_string(char quote);
  std::size_t escape(std::size_t at, std::string& out) const;
  std::size_t code_escape(std::size_t at, std::size_t count, int base, std::string& out) const;

  bool lex_name() {
    std::size_t end = at_;
    while (end < source_.size()) {
      const CodePoint c = code_point(source_, end);
      const bool digit = c.value >= '0' && c.value <= '9';
      if (!(c.value == '_' || is_alpha(c.value) || (digit && end != at_))) break;
      end += c.bytes;
    }
    if (end == at_) return false;
    emit(TokenKind::name, source_.substr(at_, end - at_));
    advance(end - at_);
    return true;
  }

  void lex_operator(std::string& open) {
    std::string op(1, source_[at_]);
    for (std::string_view candidate : long_operators)
      if (starts(candidate)) op = candidate;
    if (op.size() == 1 && short_operators.find(op[0]) == std::string_view::npos)
      fail("unexpected character ", quoted_character(), " in a tag");
    const std::size_t kind = std::string_view("([{").find(op[0]), closing = std::string_view(")]}").find(op[0]);
    if (kind != std::string_view::npos) open += ")]}"[kind];
    if (closing != std::string_view::npos) {
      if (open.empty()) fail("unexpected '", op, "'");
      if (open.back() != op[0]) fail("unexpected '", op, "', expected '", open.back(), "'");
      open.pop_back();
    }
    emit(TokenKind::op, op);
    advance(op.size());
  }

  std::string quoted_character() const { return "'" + source_.substr(at_, code_point(source_, at_).bytes) + "'"; }

  std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

void Lexer::lex_string(char quote) {
  std::string text;
  std::size_t at = at_ + 1;
  while (at < source_.size() && source_[at] != quote) {
    if (source_[at] != '\\' || at + 1 == source_.size())
      text += source_[at++];
    else
      at = escape(at + 1, text);
  }
  if (at >= source_.size()) fail("a string is not closed");
  emit(TokenKind::string, std::move(text));
  advance(at + 1 - at_);
}

/// `at` is behind the backslash; returns the position behind the escape. What is none stays as it is, as in Python.
std::size_t Lexer::escape(std::size_t at, std::string& out) const {
  constexpr std::string_view names = "abfnrtv\\'\"", values = "\a\b\f\n\r\t\v\\'\"";
  const char c = source_[at];
  if (const std::size_t i = names.find(c); i != std::string_view::npos) {
    out += values[i];
    return at + 1;
  }
  if (c == '\n') return at + 1;
  if (c == 'x') return code_escape(at + 1, 2, 16, out);
  if (c == 'u') return code_escape(at + 1, 4, 16, out);
  if (c == 'U') return code_escape(at + 1, 8, 16, out);
  if (c == 'N') fail("the escape \\N{...} is not supported");
  if (c >= '0' && c <= '7') {
    std::size_t count = 1;
    while (count < 3 && at + count < source_.size() && source_[at + count] >= '0' && source_[at + count] <= '7') ++count;
    return code_escape(at, count, 8, out);
  }
  out += '\\';
  return at;
}

std::size_t Lexer::code_escape(std::size_t at, std::size_t count, int base, std::string& out) const {
  char32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const char c = at + i < source_.size() ? source_[at + i] : ' ';
    const int digit = is_ascii_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
    if (digit >= base) fail("truncated escape in a string");
    value = value * static_cast<char32_t>(base) + static_cast<char32_t>(digit);
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) fail("an escape in a string is no Unicode character");
  append_utf8(out, value);
  return at + count;
}

}  // namespace

std::string Token::describe() const {
  switch (kind) {
    case TokenKind::data: return "template text";
    case TokenKind::block_begin: return "'{%'";
    case TokenKind::block_end: return "'%}'";
    case TokenKind::variable_begin: return "'{{'";
    case TokenKind::variable_end: return "'}}'";
    case TokenKind::string: return "a string";
    case TokenKind::end: return "the end of the template";
    default: return "'" + text + "'";
  }
}

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace vernier::text::jinja
