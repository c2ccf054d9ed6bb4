// The parser's own recursion limit.
#pragma once

#include "common/text/jinja_parser.hpp"

namespace vernier::text::jinja {

/// Deep enough for every template that people write; shallow enough for a small stack.
inline constexpr int max_nesting = 150;

/// Counts one level of blocks or brackets for as long as it lives.
class Nested {
 public:
  explicit Nested(Parser& parser) : parser_(parser) {
    if (++parser_.nesting_ > max_nesting) {
      --parser_.nesting_;
      parser_.fail(parser_.peek().line, "blocks or expressions nested more than ", max_nesting, " deep");
    }
  }
  ~Nested() { --parser_.nesting_; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;

 private:
  Parser& parser_;
};

}  // namespace vernier::text::jinja
